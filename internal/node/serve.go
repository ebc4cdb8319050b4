// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// targetTimeout bounds the dial to the service behind a port that is served. The service
// is near.
const targetTimeout = 10 * time.Second

// serveKeepAlive finds out that a peer has gone for good, so that its connection does not
// stay forever. The connection is held after 5 minutes of silence, and ends with the hold.
var serveKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 30 * time.Second, Count: 8}

// Serve makes the stack listen by a rule. With dnat, the host sends connections to
// that port of its own addresses there as well.
func (n *Node) Serve(rule ServeRule, dnat bool) (*Service, error) {
	if err := rule.check(); err != nil {
		return nil, fmt.Errorf("%w: serve: %w", ErrConfig, err)
	}
	l, undo, err := n.listenStack(rule.Port, dnat)
	if err != nil {
		return nil, fmt.Errorf("serve %w", err)
	}
	handle := func(c net.Conn) { n.serveConn(c.(*endpoint.Conn), rule) }
	return n.listen(&Service{Kind: KindServe, Target: rule.Target, DNAT: dnat}, l, handle, undo), nil
}

// listenStack makes the stack listen on a port, which with dnat the host sends
// connections to its own addresses to. undo ends the latter.
func (n *Node) listenStack(port uint16, dnat bool) (l net.Listener, undo func(), err error) {
	lc := endpoint.ListenConfig{
		Stack:            n.host.Stack,
		Roamer:           n.host.Roamer,
		KeepAliveConfig:  serveKeepAlive,
		Migration:        n.set.want,
		MigrationOptions: n.set.migr,
	}
	if l, err = lc.Listen(n.ctx, "tcp", fmt.Sprintf(":%d", port)); err != nil {
		return nil, nil, fmt.Errorf("port %d: %w", port, explainListen(err))
	}
	undo = func() {}
	if dnat {
		if undo, err = n.redirect(port); err != nil {
			l.Close()
			return nil, nil, fmt.Errorf("port %d: %w", port, err)
		}
	}
	return l, undo, nil
}

// serveConn joins a connection of a peer with the host's service.
func (n *Node) serveConn(c *endpoint.Conn, rule ServeRule) {
	ctx, cancel := context.WithTimeout(n.ctx, targetTimeout)
	defer cancel()
	target, err := new(net.Dialer).DialContext(ctx, "tcp", rule.Target)
	if err != nil {
		n.log.Warn("served port: target does not answer", "port", rule.Port, "target", rule.Target, "err", err)
		relay.Abort(c)
		return
	}
	n.carry(n.conns.add(c, KindServe, fmt.Sprintf("%d=%s", rule.Port, rule.Target)), target.(relay.Conn))
}
