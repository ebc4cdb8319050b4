// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

// Forward makes the host listen by a rule.
func (n *Node) Forward(rule ForwardRule) (*Service, error) {
	l, err := n.listenHost(rule.Listen)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	handle := func(c net.Conn) { n.forwardConn(c.(*net.TCPConn), rule) }
	return n.listen(&Service{Kind: KindForward, Target: rule.Target}, l, handle, func() {}), nil
}

// listenHost listens on an address of the host.
func (n *Node) listenHost(address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(n.ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address or port (ss -ltnp shows who has it)", err)
	}
	return l, nil
}

func (n *Node) forwardConn(local *net.TCPConn, rule ForwardRule) {
	c, err := n.Dial(n.ctx, KindForward, rule.Target, false)
	if err != nil {
		n.log.Warn("forwarded port: no connection", "listen", rule.Listen, "target", rule.Target, "err", err)
		reset(local)
		return
	}
	n.carry(c, relay.Conn(local))
}
