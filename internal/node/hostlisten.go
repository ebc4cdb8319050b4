// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/mnet-dev/mnet/netstack"
)

// hostListener is a listener of the host that does not accept yet.
type hostListener struct {
	net.Listener
	service Service
	handle  func(net.Conn)
}

// listenHost listens on an address of the host.
func (n *Node) listenHost(address string, svc Service, handle func(net.Conn)) (*hostListener, error) {
	l, err := new(net.ListenConfig).Listen(n.ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", svc.Kind, explainListen(err))
	}
	return &hostListener{l, svc, handle}, nil
}

// accept begins to accept.
func (n *Node) accept(l *hostListener) *Service {
	return n.listen(&l.service, l.Listener, l.handle, func() {})
}

// listenConfigured listens on all addresses of the host that the settings name.
func (n *Node) listenConfigured() (all []*hostListener, err error) {
	add := func(l *hostListener, lerr error) {
		if lerr == nil {
			all = append(all, l)
		} else if err == nil {
			err = lerr
		}
	}
	for _, r := range n.set.Forward {
		add(n.listenForward(r))
	}
	for _, a := range n.set.SOCKS {
		add(n.listenSOCKS(a))
	}
	if err != nil {
		closeListeners(all)
		return nil, err
	}
	return all, nil
}

func closeListeners(all []*hostListener) {
	for _, l := range all {
		l.Close()
	}
}

// explainListen adds the remedy to the error about an address that cannot be listened
// on.
func explainListen(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("%w: %w: name an address of the host", ErrConfig, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w (%w): choose another address or port (ss -ltnp shows who has it)", netstack.ErrInUse, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w (%w): choose a port of 1024 or above, or run with CAP_NET_BIND_SERVICE", netstack.ErrPermission, err)
	default:
		return fmt.Errorf("%w: choose another address or port", err)
	}
}
