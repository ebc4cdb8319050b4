// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// strangers are the routers of a client's two uplinks. Each takes the client for a
// router to the other's network, and to the stack.
type strangers struct {
	*world
	seen atomic.Int64 // datagrams that have left by the other uplink
}

// strangerPort is where nobody listens.
const strangerPort = 9

func newStrangers(t *testing.T) *strangers {
	s := &strangers{}
	wire := kernel.WireConfig{Tap: s.tap}
	s.world = newWorld(t, kernel.TopologyConfig{Uplinks: [2]kernel.WireConfig{wire, wire}})
	for i, nat := range s.NATs {
		u, other := s.Uplinks[i], s.Uplinks[1-i]
		s.must(nat.AddRoute(kernel.Route{To: other.Addr4().Masked(), Via: u.Addr4().Addr(), Dev: "lan0"}))
		s.must(nat.AddRoute(kernel.Route{To: other.Addr6().Masked(), Via: u.Addr6().Addr(), Dev: "lan0"}))
	}
	return s
}

// tap counts the datagrams that leave the client.
func (s *strangers) tap(d kernel.Direction, p []byte) bool {
	const udp = 17
	protocol := p[9] // RFC 791, section 3.1
	if p[0]>>4 == 6 {
		protocol = p[6] // RFC 8200, section 3
	}
	if d == kernel.AtoB && protocol == udp {
		s.seen.Add(1)
	}
	return true
}

// forwarded returns how many datagrams the client has forwarded between its uplinks, of
// one in each direction and family.
func (s *strangers) forwarded() int64 {
	s.t.Helper()
	before := s.seen.Load()
	for i, nat := range s.NATs {
		u, other := s.Uplinks[i], s.Uplinks[1-i]
		for _, a := range []struct{ client, exit, far netip.Addr }{
			{u.Addr4().Addr(), other.Addr4().Addr(), router(other.Addr4())},
			{u.Addr6().Addr(), other.Addr6().Addr(), router(other.Addr6())},
		} {
			s.send(nat, a.far)
			// The client refuses a connection once it has the datagram. Its own connection
			// leaves after the datagram.
			s.refused(nat, &net.Dialer{}, a.client)
			s.refused(s.Client, &net.Dialer{LocalAddr: &net.TCPAddr{IP: a.exit.AsSlice()}}, a.far)
		}
	}
	return s.seen.Load() - before
}

// router is the first address of a prefix.
func router(p netip.Prefix) netip.Addr { return p.Masked().Addr().Next() }

func (s *strangers) send(from *kernel.Namespace, to netip.Addr) {
	s.t.Helper()
	c, err := from.Dial(s.ctx, "udp", netip.AddrPortFrom(to, strangerPort).String())
	s.must(err)
	defer c.Close()
	_, err = c.Write([]byte("stranger"))
	s.must(err)
}

func (s *strangers) refused(from *kernel.Namespace, d *net.Dialer, to netip.Addr) {
	s.t.Helper()
	_, err := from.DialWith(s.timeout(patience), d, "tcp", netip.AddrPortFrom(to, strangerPort).String())
	if !errors.Is(err, syscall.ECONNREFUSED) {
		s.t.Fatalf("%v: %v, want a refusal", to, err)
	}
}

// TestNoRouter has a laptop between two networks. It forwards nothing between them
// because a node runs, and everything as soon as somebody makes it a router.
func TestNoRouter(t *testing.T) {
	s := newStrangers(t)
	const all = 4 // both directions, both families
	expect := func(when string, want int64) {
		t.Helper()
		if got := s.forwarded(); got != want {
			t.Errorf("%s: %d datagrams are forwarded, want %d", when, got, want)
		}
	}
	expect("without a node", 0)
	before := s.snapshot(s.Client)
	node := s.client()
	expect("with a node", 0)
	if r := s.status(node).Router; len(r) != 0 {
		t.Errorf("the node takes the host for a router: %v", r)
	}
	s.must(node.Signal(syscall.SIGKILL))
	s.exitCode(node.process)
	s.unchanged(s.Client, before, node.socket)
	expect("after a kill", 0)

	node = s.client()
	s.must(s.Client.Forward())
	s.eventually("a router, with a node", patience, func() error {
		if r := s.status(node).Router; len(r) != 2 {
			return fmt.Errorf("%v", r)
		}
		return nil
	})
	expect("as a router, with a node", all)
	node.Stop()
	expect("as a router, after the node", all)
	s.client()
	expect("as a router, before the node", all)
}
