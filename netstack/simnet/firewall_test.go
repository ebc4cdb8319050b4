// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"testing"
	"time"
)

// guarded is a client behind a firewall, and a server.
type guarded struct {
	*Network
	client, server *probe
	fw             *Firewall
}

func newGuarded(cfg FirewallConfig) *guarded {
	g := &guarded{Network: New(1)}
	g.client, g.server = newProbe(g.Network, "client"), newProbe(g.Network, "server")
	g.fw = NewFirewall(cfg)
	g.Connect(g.client.Interface, g.server.Interface, LinkConfig{}).Use(g.fw)
	return g
}

// passes sends p from one side and reports whether it arrives at the other.
func (g *guarded) passes(from *probe, p *Packet) bool {
	from.send(p)
	g.Clock.RunFor(time.Millisecond)
	return len(g.client.take())+len(g.server.take()) == 1
}

func TestFirewall(t *testing.T) {
	var reasons []string
	g := newGuarded(FirewallConfig{OnInvalid: func(p InvalidPacket) { reasons = append(reasons, p.Reason) }})
	out := func(s segment) bool { return g.passes(g.client, tcpPacket(client6, server6, s)) }
	in := func(s segment) bool { return g.passes(g.server, tcpPacket(server6, client6, s)) }

	if in(segment{seq: 1, win: 1000, flags: fSYN}) {
		t.Error("a connection from outside passed")
	}
	if !out(segment{seq: 100, win: 65535, flags: fSYN, opts: synOpts}) ||
		!in(segment{seq: 100, ack: 101, win: 65535, flags: fSYN | fACK, opts: synOpts}) ||
		!out(segment{seq: 101, ack: 101, win: w, flags: fACK}) {
		t.Fatal("the handshake didn't pass")
	}
	if in(segment{seq: 101, ack: 102, win: w, flags: fACK}) {
		t.Error("an ACK of data not seen passed")
	}
	if out(segment{seq: 101, ack: 102, win: w, flags: fACK}) {
		t.Error("the client's ACK of data not seen passed")
	}
	if !in(segment{seq: 101, ack: 101, win: w, flags: fACK, payload: 50}) {
		t.Error("valid data didn't pass")
	}
	if in(segment{seq: 151, ack: 101, win: w, flags: fACK | fSYN | fFIN}) {
		t.Error("SYN-FIN passed")
	}
	if len(reasons) != 3 {
		t.Errorf("reported %q", reasons)
	}
	if s := g.fw.Stats(); s.Invalid != 3 || s.NoConn != 1 || s.New != 1 || s.Passed != 4 {
		t.Errorf("stats %+v", s)
	}
	g.fw.Flush()
	if in(segment{seq: 151, ack: 101, win: w, flags: fACK, payload: 50}) {
		t.Error("the firewall remembers the connection")
	}
}

func TestFirewallUntracked(t *testing.T) {
	g := newGuarded(FirewallConfig{})
	router := netip.MustParseAddr("203.0.113.1")
	if !g.passes(g.client, udpPacket(clientAddr, serverAddr, 100)) || !g.passes(g.server, udpPacket(serverAddr, clientAddr, 100)) {
		t.Error("UDP and its answer didn't pass")
	}
	known := newTooBig(udpPacket(clientAddr, serverAddr, 1400), router, 1300)
	unknown := newTooBig(udpPacket(clientAddr, netip.AddrPortFrom(router, 1), 1400), router, 1300)
	if !g.passes(g.server, known) || g.passes(g.server, unknown) {
		t.Error("only ICMP errors about the connection may pass inwards")
	}
	if echo := newIP(clientAddr.Addr(), serverAddr.Addr(), protoICMPv4, 8); !g.passes(g.client, echo) {
		t.Error("an echo request didn't pass outwards")
	}
	if echo := newIP(serverAddr.Addr(), clientAddr.Addr(), protoICMPv4, 8); g.passes(g.server, echo) {
		t.Error("an echo request passed inwards")
	}
	if s := g.fw.Stats(); s.ICMPErrors != 1 || s.Other != 2 {
		t.Errorf("stats %+v", s)
	}
}

// TestTableLimit checks that a flood of SYNs fills the table no further than to
// its limit, and that expired entries make room.
func TestTableLimit(t *testing.T) {
	ct := newConnTable(Conntrack{})
	add := func(i int, now time.Duration) bool {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		tp := tuple{protoUDP, src, serverAddr}
		tr := ct.track(nil, tp, true, now)
		return ct.confirm(tr.conn, tp.reverse(), now)
	}
	for i := range maxConns {
		if !add(i, 0) {
			t.Fatalf("the table is full after %d entries", i)
		}
	}
	if add(maxConns, time.Second) {
		t.Error("the table has no limit")
	}
	if !add(maxConns, time.Hour) || len(ct.conns) != 2 {
		t.Errorf("%d tuples left after all have expired", len(ct.conns))
	}
}
