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
	l, err := n.listenForward(rule)
	if err != nil {
		return nil, err
	}
	return n.accept(l), nil
}

func (n *Node) listenForward(rule ForwardRule) (*hostListener, error) {
	if err := rule.check(); err != nil {
		return nil, fmt.Errorf("%w: forward: %w", ErrConfig, err)
	}
	handle := func(c net.Conn) { n.forwardConn(c.(*net.TCPConn), rule) }
	return n.listenHost(rule.Listen, Service{Kind: KindForward, Target: rule.Target}, handle)
}

func (n *Node) forwardConn(local *net.TCPConn, rule ForwardRule) {
	c, err := n.Dial(n.ctx, KindForward, rule.Target, false)
	if err != nil {
		n.log.Warn("forwarded port: no connection", "listen", rule.Listen, "target", rule.Target, "err", err)
		relay.Abort(local)
		return
	}
	n.carry(c, relay.Conn(local))
}
