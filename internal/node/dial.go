// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// dialTimeout bounds a dial. The client wants an answer sooner than TCP gives up.
const dialTimeout = 20 * time.Second

// Dial connects to address, "host:port", by the stack. The host resolves names. With
// require, a connection that cannot migrate is an error. The caller
// ends the connection with [Node.Carry] or [Node.Drop].
func (n *Node) Dial(ctx context.Context, kind Kind, address string, require bool) (*Conn, error) {
	if err := CheckDial(address); err != nil {
		return nil, err
	}
	d := endpoint.Dialer{
		Stack:            n.host.Stack,
		Timeout:          dialTimeout,
		Resolver:         net.DefaultResolver,
		Roamer:           n.host.Roamer,
		Migration:        n.set.want,
		MigrationOptions: n.set.migr,
	}
	if require {
		d.Migration = endpoint.Required
	}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, explainDial(err)
	}
	return n.conns.add(c.(*endpoint.Conn), kind, address), nil
}

// Carry relays between a connection that was dialled and another one until both
// have ended, and closes them. It returns at once.
func (n *Node) Carry(c *Conn, other relay.Conn) {
	n.wg.Go(func() { n.carry(c, other) })
}

// Drop resets a connection that was dialled for a client that has gone.
func (n *Node) Drop(c *Conn, err error) {
	relay.Abort(c)
	n.forget(c, err)
}

// explainDial adds the remedy to an error.
func explainDial(err error) error {
	var hint string
	switch {
	case errors.Is(err, endpoint.ErrNotNegotiated):
		hint = "the peer has to run mnet with the same suites (mnet version, --suite), and nothing on the way may remove TCP options"
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "nobody listens there: does the server run, with that port (mnet serve)?"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		hint = "no answer: is the address right, is there an uplink (mnet status), does a firewall drop it?"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		hint = "no route: is there an uplink (mnet status), and does the host forward for the stack (mnet up --masquerade, mnet doctor)?"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}
