// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
)

// strictFlight is the least amount of data under way in each direction when a
// connection moves, in bytes. It is many times the 64 KiB that a window without scaling
// allows.
const strictFlight = 1 << 20

// bigWindows lets 4 MiB be under way. Reno has no HyStart, which leaves slow start as
// soon as a queue builds up, long before the window is full.
var bigWindows = netstack.Config{
	CongestionControl: netstack.Reno,
	MinRTO:            time.Second, // a busy machine is no congestion
	SendBuffer:        netstack.BufferSizes{Default: 8 << 20},
	ReceiveBuffer:     netstack.BufferSizes{Default: 8 << 20},
}

// TestStrictTrackers moves a connection with megabytes under way in both directions
// between strict trackers. They call everything outside of a window invalid, and let
// new connections in from the inside only. Not one packet may be invalid, on the old
// path either: packets under way there belong to a connection that its trackers know.
func TestStrictTrackers(t *testing.T) {
	// NATs have an open INPUT chain: they answer strays with a RST.
	w, rst := strictWorld(t)
	client := w.embed(w.Client, embedConfig{Stack: bigWindows})
	locals := w.perUplink(client)
	server := w.embed(w.Server, embedConfig{Stack: bigWindows, Ports: []uint16{80}})
	conn, peer := w.pair(client, server, netip.AddrPortFrom(kernel.ServerAddr4, 80))
	flows := w.flows(conn, peer)

	uplink := 0
	moveTo := func(i int) error {
		uplink = i
		return conn.Migrate(w.timeout(patience), netip.AddrPortFrom(locals[i], 0))
	}
	invalid := w.countInvalid()
	rst.arm()
	w.moveFull(conn, peer, flows, []fullMove{
		{"to another uplink and NAT", func() error { return moveTo(1 - uplink) }},
		{"in place", func() error { return moveTo(uplink) }},
	})
	if got, want := peer.Migration().Current.Remote.Addr(), w.publicAddr(uplink); got != want {
		t.Errorf("the server sees %v, want %v", got, want)
	}
	flows.finish()
	w.noInvalid(invalid)
	rst.none()
}

// TestStrictTrackersBothEnds has both ends move in turn, which have addresses of their
// own behind firewalls that let connections be opened from either side.
func TestStrictTrackersBothEnds(t *testing.T) {
	w, rst := strictWorld(t)
	client, server := w.routedClient(bigWindows), w.routedServer(bigWindows)
	conn, peer := w.pair(client, server, netip.AddrPortFrom(server.addr6(), 80))
	flows := w.flows(conn, peer)

	invalid := w.countInvalid()
	rst.arm()
	other := netip.MustParsePrefix("2001:db8:7::3/64")
	w.must(client.NIC.AddAddress(other))
	locals := [2]netip.Addr{client.addr6(), other.Addr()}
	move := func(c *endpoint.Conn, local netip.Addr) error {
		return c.Migrate(w.timeout(patience), netip.AddrPortFrom(local, 0))
	}
	at := 0
	w.moveFull(conn, peer, flows, []fullMove{
		{"client to another address", func() error { at = 1 - at; return move(conn, locals[at]) }},
		{"server in place", func() error { return move(peer, netip.Addr{}) }},
		{"client in place", func() error { return move(conn, locals[at]) }},
	})
	flows.finish()
	w.noInvalid(invalid)
	rst.none()
}

// strictWorld is a world with 40 ms of round-trip time, in which RSTs are counted.
func strictWorld(t *testing.T) (*world, *resets) {
	t.Helper()
	rst := new(resets)
	// The queue holds a whole window, so that only the window limits the data under
	// way.
	wire := kernel.WireConfig{Delay: 20 * time.Millisecond, Rate: 200e6, Queue: 8 << 20, Tap: rst.tap}
	w := newWorld(t, kernel.TopologyConfig{Uplinks: [2]kernel.WireConfig{wire, wire}, ServerPorts: []uint16{80}})
	rst.w = w
	rst.install()
	return w, rst
}

// fullMove is a way to move a connection whose windows are full.
type fullMove struct {
	what string
	move func() error
}

const (
	// fullMoves is how often each kind of move has to be made with windows that were
	// full.
	fullMoves = 2
	// refill is how long a window may take to get full: slow start takes less than a
	// second. It ends when a busy machine loses or reorders packets; only a move to
	// another address begins anew.
	refill = 2 * time.Second
)

// moveFull makes the moves in turn, each with full windows in both directions, often
// enough. The first is to another address. After each, both ends must agree on how
// often they moved, and bytes must flow both ways.
func (w *world) moveFull(a, b *endpoint.Conn, f *flows, moves []fullMove) {
	w.t.Helper()
	deadline := time.Now().Add(2 * patience)
	for i := range fullMoves * len(moves) {
		for !w.fillWindows(a, b) {
			if time.Now().After(deadline) {
				w.t.Fatalf("full windows for %d moves only, in %v", i, 2*patience)
			}
			w.move(a, b, f, moves[0])
		}
		w.move(a, b, f, moves[i%len(moves)])
	}
}

func (w *world) move(a, b *endpoint.Conn, f *flows, m fullMove) {
	w.t.Helper()
	if err := m.move(); err != nil {
		w.t.Fatalf("%s: %v", m.what, err)
	}
	w.agree(a, b, m.what)
	f.advance(1<<20, 20*time.Second)
}

// agree waits until both ends have counted the same moves: the responder moves half
// a round trip after the initiator.
func (w *world) agree(a, b *endpoint.Conn, what string) {
	w.t.Helper()
	w.eventually("agreed on: "+what, patience/2, func() error {
		x, y := a.Migration(), b.Migration()
		if x.Initiated != y.Accepted || y.Initiated != x.Accepted {
			return fmt.Errorf("one end has made %d moves and accepted %d, the other %d and %d", x.Initiated, x.Accepted, y.Initiated, y.Accepted)
		}
		return nil
	})
}

// fillWindows waits until enough is under way in both directions, and returns false
// if it does not come to that.
func (w *world) fillWindows(a, b *endpoint.Conn) bool {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(refill); time.Now().Before(deadline); <-tick.C {
		x, y := a.TCPInfo().InFlight, b.TCPInfo().InFlight
		if x >= strictFlight && y >= strictFlight {
			w.t.Logf("%.1f and %.1f MB in flight", float64(x)/1e6, float64(y)/1e6)
			return true
		}
	}
	return false
}

// perUplink gives a stack an address for each uplink of the client. The address leads
// over this uplink and no other. So an old path is not mixed up with the new one, as it
// is when the host changes its default route.
func (w *world) perUplink(e *embedded) (locals [2]netip.Addr) {
	w.t.Helper()
	for i, u := range w.Uplinks {
		p := netip.MustParsePrefix([2]string{"10.78.0.2/24", "10.78.0.3/24"}[i])
		if i > 0 {
			w.must(e.NIC.AddAddress(p))
		}
		locals[i] = p.Addr()
		w.must(e.ns.AddRule(netip.PrefixFrom(p.Addr(), p.Addr().BitLen()), u.Table()))
	}
	return locals
}
