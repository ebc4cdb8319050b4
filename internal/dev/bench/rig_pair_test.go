// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"flag"
	"net"
	"net/netip"
	"testing"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

var migratable = flag.Bool("migratable", netstack.Patched() == nil, "connections negotiate migration")

// policy of both ends. Required, because a benchmark of connections that fell
// back to plain TCP would show no difference.
func policy() endpoint.Policy {
	if *migratable {
		return endpoint.Required
	}
	return endpoint.Off
}

// The client has two addresses, to move between.
var (
	clientPrefixes = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/24"),
		netip.MustParsePrefix("10.0.0.2/24"),
	}
	serverPrefix = netip.MustParsePrefix("10.0.0.254/24")
)

// clientAddr is an address of the client and no port.
func clientAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(clientPrefixes[i].Addr(), 0)
}

// rig is two stacks with a pipe between them, and a listener.
type rig struct {
	client, server *netstack.Stack
	links          [2]*meter // the client's, the server's
	listener       *endpoint.Listener
}

// newRig builds a rig that is closed when tb ends. A zero MTU is the pipe's
// default.
func newRig(tb testing.TB, cfg netstack.Config, mtu uint32) *rig {
	tb.Helper()
	r := &rig{client: newStack(tb, cfg), server: newStack(tb, cfg)}
	tb.Cleanup(r.close)
	c, s := netstack.Pipe(netstack.PipeConfig{MTU: mtu})
	r.links = [2]*meter{{PipeEnd: c}, {PipeEnd: s}}
	attach(tb, r.client, r.links[0], clientPrefixes)
	attach(tb, r.server, r.links[1], []netip.Prefix{serverPrefix})

	lc := endpoint.ListenConfig{Stack: r.server, Migration: policy()}
	l, err := lc.Listen(tb.Context(), "tcp", net.JoinHostPort(serverPrefix.Addr().String(), "0"))
	if err != nil {
		tb.Fatal(err)
	}
	r.listener = l.(*endpoint.Listener)
	return r
}

func (r *rig) close() {
	r.closeClient()
	if r.server != nil {
		r.server.Close()
		r.server, r.links[1], r.listener = nil, nil, nil
	}
}

// closeClient closes the client's stack and forgets it.
func (r *rig) closeClient() {
	if r.client != nil {
		r.client.Close()
		r.client, r.links[0] = nil, nil
	}
}

func newStack(tb testing.TB, cfg netstack.Config) *netstack.Stack {
	tb.Helper()
	s, err := netstack.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func attach(tb testing.TB, s *netstack.Stack, link *meter, addrs []netip.Prefix) {
	tb.Helper()
	if _, err := s.Attach(link, netstack.AttachOptions{Addresses: addrs}); err != nil {
		tb.Fatal(err)
	}
}

// connect returns both ends of a new connection, which if it is to be migratable
// has confirmed that at both.
func (r *rig) connect(tb testing.TB) (client, server *endpoint.Conn) {
	tb.Helper()
	d := endpoint.Dialer{Stack: r.client, Migration: policy()}
	c, err := d.DialContext(context.Background(), "tcp", r.listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	server, err = r.listener.AcceptConn()
	if err != nil {
		tb.Fatal(err)
	}
	client = c.(*endpoint.Conn)
	if *migratable {
		for _, end := range []*endpoint.Conn{client, server} {
			if err := end.AwaitMigratable(context.Background()); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return client, server
}

// discard closes both ends so that no port is left in TIME-WAIT.
func discard(conns ...*endpoint.Conn) {
	for _, c := range conns {
		c.SetLinger(0)
		c.Close()
	}
}
