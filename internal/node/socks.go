// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"

	"github.com/mnet-dev/mnet/internal/node/relay"
)

// socksTimeout stops clients that do not finish their request from holding
// connections that others want.
const socksTimeout = 10 * time.Second

// SOCKS makes the host listen on address, "host:port" or a port of 127.0.0.1, for
// clients of SOCKS 5 (RFC 1928): CONNECT without authentication.
func (n *Node) SOCKS(address string) (*Service, error) {
	l, err := n.listenSOCKS(address)
	if err != nil {
		return nil, err
	}
	return n.accept(l), nil
}

func (n *Node) listenSOCKS(address string) (*hostListener, error) {
	if err := CheckSOCKS(address); err != nil {
		return nil, err
	}
	handle := func(c net.Conn) { n.serveSOCKS(c, socksTimeout) }
	return n.listenHost(localListen(address), Service{Kind: KindSOCKS}, handle)
}

// serveSOCKS serves a client, whose request has to come within limit.
func (n *Node) serveSOCKS(c net.Conn, limit time.Duration) {
	// A client that says nothing must not hold up the end of the node.
	stop := context.AfterFunc(n.ctx, func() { c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(limit)) // fails if c is closed, as all that follows
	srv := socks5.NewServer(
		socks5.WithResolver(leaveNames{}),
		socks5.WithRule(&socks5.PermitCommand{EnableConnect: true}),
		socks5.WithConnectHandle(n.socksConnect),
	)
	if err := srv.ServeConn(c); err != nil {
		n.log.Debug("socks", "client", c.RemoteAddr(), "err", err)
	}
}

// leaveNames leaves names to the dial, which remembers them.
type leaveNames struct{}

func (leaveNames) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// socksConnect carries out CONNECT.
func (n *Node) socksConnect(ctx context.Context, w io.Writer, req *socks5.Request) error {
	_ = w.(net.Conn).SetDeadline(time.Time{}) // fails if it is closed; then the reply does
	to := req.RawDestAddr
	host := to.FQDN
	if host == "" {
		host = to.IP.String()
	}
	c, err := n.Dial(n.ctx, KindSOCKS, net.JoinHostPort(host, strconv.Itoa(to.Port)), false)
	if err != nil {
		return errors.Join(err, socks5.SendReply(w, socksReply(err), nil))
	}
	if err := socks5.SendReply(w, statute.RepSuccess, c.LocalAddr()); err != nil {
		n.Drop(c, err)
		return err
	}
	n.carry(c, relay.Buffered(w.(relay.Conn), req.Reader))
	return nil
}

// socksReply is the code for an error (RFC 1928, section 6).
func socksReply(err error) uint8 {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return statute.RepConnectionRefused
	case errors.Is(err, syscall.ENETUNREACH):
		return statute.RepNetworkUnreachable
	default:
		return statute.RepHostUnreachable
	}
}
