// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net"

	"github.com/mnet-dev/mnet/endpoint"
)

// ServeBench makes the stack listen for measurements, by [Node.Bench] of another
// node. With dnat, the host sends connections to that port of its own addresses
// there as well.
func (n *Node) ServeBench(port uint16, dnat bool) (*Service, error) {
	l, undo, err := n.listenStack(port, dnat)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	handle := func(c net.Conn) { n.serveBench(c.(*endpoint.Conn)) }
	return n.listen(&Service{Kind: KindBench, DNAT: dnat}, l, handle, undo), nil
}

func (n *Node) serveBench(ec *endpoint.Conn) {
	c := n.conns.add(ec, KindBench, "measurement")
	err := c.SetNoDelay(true)
	if err == nil {
		err = n.measure.Serve(n.ctx, counted(c))
	}
	if err != nil {
		n.log.Debug("bench", "conn", c.ID, "err", err)
	}
	n.forget(c, err)
}
