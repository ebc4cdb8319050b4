// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestPeersBounded asks for the routes to more peers than are remembered.
func TestPeersBounded(t *testing.T) {
	looked := 0
	p := &peers{known: make(map[way]answer), look: func(w way) (Uplink, error) {
		looked++
		return Uplink{Interface: "up0", Source: w.from}, nil
	}}
	from, first := netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("192.0.2.1")
	ask := func(to netip.Addr, want int) {
		t.Helper()
		looked = 0
		if up, ok := p.route(way{from, to}); !ok || up.Interface != "up0" || looked != want {
			t.Fatalf("%v: %v, %v, after %d look-ups, want %d", to, up, ok, looked, want)
		}
	}
	ask(first, 1)
	ask(first, 0)
	to := netip.MustParseAddr("10.0.0.0")
	for range maxPeers - 1 {
		to = to.Next()
		ask(to, 1)
	}
	ask(first, 0)
	ask(to.Next(), 1) // in place of 10.0.0.1, which was asked for before all others
	ask(first, 0)
	ask(netip.MustParseAddr("10.0.0.1"), 1)
	looked = 0
	if p.fresh(); looked != maxPeers {
		t.Errorf("a change takes %d look-ups, want %d", looked, maxPeers)
	}
}

// TestRouteToPeer follows the way to a peer that has a route of its own: to another
// interface than the default route, and away.
func TestRouteToPeer(t *testing.T) {
	s := newStreet(t, "ipv4")
	sh := s.shareAll(nil)
	from, peer := netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("203.0.113.9")
	states := make(chan State, 16)
	var now State
	stop, err := sh.Watch(func(st State) { states <- st })
	s.host.Must(err)
	defer stop()
	now = <-states
	was, ok := now.Route(from, peer)
	if !ok || len(now.Uplinks) == 0 || was.path() != now.Uplinks[0].path() {
		t.Fatalf("%v, %v, want %v", was, ok, now.Uplinks)
	}
	// await waits until the way to the peer is told to have changed.
	await := func(what string, want func(Uplink, bool) bool) {
		t.Helper()
		for limit := time.After(patience); ; {
			select {
			case st := <-states:
				if up, ok := st.Route(from, peer); st.Rerouted && want(up, ok) {
					return
				}
			case <-limit:
				up, ok := now.Route(from, peer)
				t.Fatalf("%s: not told; now %v, %v", what, up, ok)
			}
		}
	}
	r := s.host.DefaultRoute("up1", "198.51.100.1", 0)
	r.Dst = ipNet("203.0.113.0/24")
	s.host.AddRoute(r)
	await("a route of its own", func(up Uplink, ok bool) bool {
		return ok && up.Gateway == netip.MustParseAddr("198.51.100.1") && up.Interface != was.Interface
	})
	s.host.AddRoute(&netlink.Route{Dst: ipNet("203.0.113.9/32"), Type: unix.RTN_UNREACHABLE})
	await("unreachable", func(_ Uplink, ok bool) bool { return !ok })
	if up, ok := now.Route(from, netip.MustParseAddr("192.0.2.7")); !ok || up.Source != netip.MustParseAddr("192.0.2.7") {
		t.Errorf("the host itself: %v, %v", up, ok)
	}
}
