// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// client is the peer that the handover happens to.
type client interface {
	// dial connects from the uplink in use.
	dial(context.Context) (net.Conn, error)
	// handover does the client's part, right after the uplinks have changed. It
	// returns a connection that replaces the first, or nil.
	handover(context.Context) (net.Conn, error)
	// survived tells, in the end, if the client's own means have not done it.
	survived() error
}

func (n *network) newClient(p Peer) client {
	if p == Reconnect {
		return &reconnecting{network: n}
	}
	return &migrating{network: n}
}

// reconnecting is a client of the kernel's TCP that dials again.
type reconnecting struct {
	*network
	conn net.Conn
}

func (c *reconnecting) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.Uplinks[c.at].Addr4().Addr().AsSlice()}}
	d.SetMultipathTCP(false)
	var err error
	c.conn, err = c.Client.DialWith(ctx, &d, "tcp4", serverAt(kernelPort))
	return c.conn, err
}

func (c *reconnecting) handover(ctx context.Context) (net.Conn, error) {
	relay.Abort(c.conn)
	return c.dial(ctx)
}

func (c *reconnecting) survived() error { return nil }

// migrating is a client of mnet, whose connection moves: by a Roamer if the uplink
// breaks, else by the application.
type migrating struct {
	*network
	conn *endpoint.Conn
	path *endpoint.Path // make before break: where to
}

func (c *migrating) dial(ctx context.Context) (net.Conn, error) {
	d := endpoint.Dialer{Stack: c.client.Stack, Roamer: c.client.Roamer, Migration: endpoint.Required}
	if c.mode == MakeBeforeBreak {
		d.Roamer, d.LocalAddr = nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(clientAddrs[c.at].Addr(), 0))
	}
	conn, err := d.DialContext(ctx, "tcp4", serverAt(mnetPort))
	if err != nil {
		return nil, err
	}
	c.conn = conn.(*endpoint.Conn)
	err = c.conn.AwaitMigratable(ctx)
	if err == nil && c.mode == MakeBeforeBreak {
		err = c.probe(ctx)
	}
	if err != nil {
		relay.Abort(conn)
		return nil, err
	}
	return conn, nil
}

func (c *migrating) probe(ctx context.Context) (err error) {
	c.path, err = c.conn.AddPath(netip.AddrPortFrom(clientAddrs[1-c.at].Addr(), 0))
	if err == nil {
		_, err = c.path.Probe(ctx)
	}
	return err
}

func (c *migrating) handover(ctx context.Context) (net.Conn, error) {
	if c.path == nil {
		return nil, nil // the Roamer sees to it
	}
	return nil, c.path.Switch(ctx)
}

func (c *migrating) survived() error {
	if c.conn.Migration().Initiated == 0 {
		return errors.New("the connection has not moved")
	}
	return nil
}

// serverAt is a port of the server, at its public address.
func serverAt(port uint16) string { return netip.AddrPortFrom(kernel.ServerAddr4, port).String() }
