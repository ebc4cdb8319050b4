// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"testing"
	"time"
)

// TestBoxesTransparent checks that strict tracking has nothing against plain
// TCP over a path that loses, duplicates and reorders.
func TestBoxesTransparent(t *testing.T) {
	bad := Wire{
		Delay: 10 * time.Millisecond, Rate: 50 * Mbit, Loss: 0.01,
		Duplicate: 0.01, Reorder: 0.02, ReorderDelay: 5 * time.Millisecond,
	}
	for _, to := range []netip.AddrPort{serverAddr, server6} {
		report := func(p InvalidPacket) {
			if !p.Passed {
				t.Errorf("%v: %s", p.Record, p.Reason)
			}
		}
		m := NewMultihomed(MultihomedConfig{
			Seed:       5,
			Uplinks:    []Uplink{{Link: Symmetric(bad), NAT: &NATConfig{OnInvalid: report}}},
			Bottleneck: Symmetric(bad),
		})
		fw := NewFirewall(FirewallConfig{OnInvalid: report})
		m.Uplinks[0].Use(fw)
		a, b := newStack(t, m.Client), newStack(t, m.Server)
		conn := dial(t, a, netip.Addr{}, to)
		transfer(t, m.Network, conn, listen(t, b, to), payload(1<<20), time.Minute)
		conn.ep.Close()
		m.Clock.RunFor(time.Minute)
		if n, f := m.NATs[0].Stats(), fw.Stats(); n.New != 1 || n.RSTsSent != 0 || f.New != 1 {
			t.Errorf("NAT %+v, firewall %+v", n, f)
		}
	}
}

// TestReroute moves the server's traffic to the client's second uplink while
// packets are under way, as when an address moves between interfaces.
func TestReroute(t *testing.T) {
	m := NewMultihomed(MultihomedConfig{
		Uplinks: []Uplink{
			{Link: Symmetric(Wire{Delay: 10 * time.Millisecond})},
			{Link: Symmetric(Wire{Delay: 10 * time.Millisecond})},
		},
		Bottleneck: access,
	})
	a, b := newStack(t, m.Client), newStack(t, m.Server)
	old, moved := m.Client.Interfaces()[0], m.Client.Interfaces()[0].Prefixes()[0]
	ln := listen(t, b, serverAddr)
	conn := dial(t, a, moved.Addr(), serverAddr)
	m.Clock.AfterFunc(100*time.Millisecond, func() {
		old.Link().SetDown(true)
		if err := a.RemoveAddress(1, toTCPIP(moved.Addr())); err != nil {
			t.Error(err)
		}
		if err := AddAddress(a, 2, moved); err != nil {
			t.Error(err)
		}
		m.Core.Route(hostPrefix(moved.Addr()), m.Uplinks[1])
	})
	m.Clock.RunFor(time.Second)
	fresh := dial(t, a, moved.Addr(), serverAddr)
	if _, ok := ln.accept(); !ok {
		t.Fatal("no connection over the first uplink")
	}
	transfer(t, m.Network, fresh, ln, payload(64<<10), time.Minute)
	if s := m.Uplinks[1].Stats(BtoA); s.Delivered == 0 {
		t.Error("nothing came over the second uplink")
	}
	conn.ep.Close()
}

// TestStepAfterDestroy checks that the barrier doesn't wait for a dead stack.
func TestStepAfterDestroy(t *testing.T) {
	p := NewPair(1, access)
	st := stackOf(t, p.A)
	newStack(t, p.B)
	p.Clock.RunFor(time.Second)
	st.Destroy()
	p.Clock.RunFor(time.Second)
	again := newStack(t, p.A) // a reboot
	ln := listen(t, again, netip.AddrPortFrom(PairA4.Addr(), 80))
	p.Clock.RunFor(time.Second)
	if _, ok := ln.accept(); ok {
		t.Error("a connection from nowhere")
	}
}

func TestStepWithoutBind(t *testing.T) {
	n := New(1)
	i := n.NewHost("a").NewInterface("eth0")
	i.Attach(discard{})
	defer func() {
		if recover() == nil {
			t.Error("stepping with an unbound stack didn't panic")
		}
	}()
	n.Clock.Step()
}
