// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// natted is a client behind a NAT, and a server.
type natted struct {
	*Network
	client, server *probe
	nat            *NAT
	link           *Link
	invalid        []InvalidPacket
}

func newNatted(cfg NATConfig) *natted {
	n := &natted{Network: New(1)}
	n.client, n.server = newProbe(n.Network, "client"), newProbe(n.Network, "server")
	cfg.Addr4, cfg.Addr6 = natAddr, natAddr6
	cfg.OnInvalid = func(p InvalidPacket) { n.invalid = append(n.invalid, p) }
	n.nat = NewNAT(cfg)
	n.link = n.Connect(n.client.Interface, n.server.Interface, LinkConfig{})
	n.link.Use(n.nat)
	return n
}

// out sends a segment from the client and returns the packets that arrive at the
// server.
func (n *natted) out(src, dst netip.AddrPort, s segment) []arrival {
	n.client.send(tcpPacket(src, dst, s))
	n.Clock.RunFor(time.Millisecond)
	return n.server.take()
}

// in sends a segment from the server and returns the packets that arrive at the client.
func (n *natted) in(src, dst netip.AddrPort, s segment) []arrival {
	n.server.send(tcpPacket(src, dst, s))
	n.Clock.RunFor(time.Millisecond)
	return n.client.take()
}

// open has a client do a handshake; both sequence numbers are then 101.
func (n *natted) open(t *testing.T, client, server netip.AddrPort) (outer netip.AddrPort) {
	t.Helper()
	got := n.out(client, server, segment{seq: 100, win: 65535, flags: fSYN, opts: synOpts})
	if len(got) != 1 {
		t.Fatal("the SYN didn't pass")
	}
	outer = got[0].p.Src()
	if len(n.in(server, outer, segment{seq: 100, ack: 101, win: 65535, flags: fSYN | fACK, opts: synOpts})) != 1 {
		t.Fatal("the SYN-ACK didn't pass")
	}
	if len(n.out(client, server, segment{seq: 101, ack: 101, win: w, flags: fACK})) != 1 {
		t.Fatal("the ACK didn't pass")
	}
	return outer
}

func TestNATTranslates(t *testing.T) {
	for _, tt := range []struct {
		client, server netip.AddrPort
		outer          netip.Addr
	}{{clientAddr, serverAddr, natAddr}, {client6, server6, natAddr6}} {
		n := newNatted(NATConfig{})
		outer := netip.AddrPortFrom(tt.outer, tt.client.Port())
		s := segment{seq: 100, win: 65535, flags: fSYN, opts: synOpts}
		got := n.out(tt.client, tt.server, s)
		if want := tcpPacket(outer, tt.server, s); len(got) != 1 || !bytes.Equal(got[0].p.Bytes(), want.Bytes()) {
			t.Fatalf("outbound %v, want %x", got, want.Bytes())
		}
		s = segment{seq: 100, ack: 101, win: 65535, flags: fSYN | fACK}
		got = n.in(tt.server, outer, s)
		if want := tcpPacket(tt.server, tt.client, s); len(got) != 1 || !bytes.Equal(got[0].p.Bytes(), want.Bytes()) {
			t.Fatalf("inbound %v, want %x", got, want.Bytes())
		}
		if m, ok := n.nat.Mapped(protoTCP, tt.client, tt.server); !ok || m != outer {
			t.Errorf("mapped to %v", m)
		}
	}
}

func TestNATTranslatesUDP(t *testing.T) {
	n := newNatted(NATConfig{})
	for _, noSum := range []bool{false, true} {
		p := udpPacket(clientAddr, serverAddr, 100)
		want := udpPacket(netip.AddrPortFrom(natAddr, clientAddr.Port()), serverAddr, 100)
		if noSum {
			header.UDP(p.transport()).SetChecksum(0)
			header.UDP(want.transport()).SetChecksum(0)
		}
		n.client.send(p)
		n.Clock.RunFor(time.Second)
		if got := n.server.one(t); !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("outbound %x, want %x", got.Bytes(), want.Bytes())
		}
	}
	reply := udpPacket(serverAddr, netip.AddrPortFrom(natAddr, clientAddr.Port()), 100)
	n.server.send(reply)
	n.Clock.RunFor(time.Second)
	n.client.one(t)
	n.server.send(reply) // from the second reply on the mapping lasts longer
	n.Clock.RunFor(time.Minute)
	n.client.one(t)
	n.server.send(reply)
	n.Clock.RunFor(2*time.Minute + time.Second)
	n.client.one(t)
	n.server.send(reply)
	n.Clock.RunFor(time.Second)
	n.client.none(t)
}

func TestNATPorts(t *testing.T) {
	second := netip.AddrPortFrom(netip.MustParseAddr("10.1.0.3"), clientAddr.Port())
	n := newNatted(NATConfig{})
	if p := n.open(t, clientAddr, serverAddr).Port(); p != clientAddr.Port() {
		t.Errorf("port %d, want that of the client", p)
	}
	taken := n.open(t, second, serverAddr)
	if taken.Port() != firstNATPort {
		t.Errorf("port %d for the second client, want a free one", taken.Port())
	}
	got := n.in(serverAddr, taken, segment{seq: 101, ack: 101, win: w, flags: fACK})
	if len(got) != 1 || got[0].p.Dst() != second {
		t.Errorf("the answer went to %v", got)
	}
	n = newNatted(NATConfig{PortBase: 5000})
	if p := n.open(t, clientAddr, serverAddr).Port(); p != 5000 {
		t.Errorf("port %d, want PortBase", p)
	}
}

// TestNATInvalid is the case that matters for migration. The server's true ACK is about
// data that took another path. The NAT answers it with a RST that the server must
// accept, since its sequence number is exactly RCV.NXT.
func TestNATInvalid(t *testing.T) {
	for _, drop := range []bool{false, true} {
		n := newNatted(NATConfig{DropInvalid: drop})
		outer := n.open(t, clientAddr, serverAddr)
		const rcvNxt = 5000
		bad := segment{seq: 101, ack: rcvNxt, win: w, flags: fACK, payload: 10}
		if got := n.in(serverAddr, outer, bad); len(got) != 0 {
			t.Error("an INVALID packet was translated")
		}
		answer := n.server.take()
		if drop {
			if len(answer) != 0 {
				t.Error("the NAT answered")
			}
		} else {
			want := tcpPacket(outer, serverAddr, segment{seq: rcvNxt, flags: fRST})
			if len(answer) != 1 || !bytes.Equal(answer[0].p.Bytes(), want.Bytes()) {
				t.Errorf("answer %v, want %x", answer, want.Bytes())
			}
		}
		if len(n.invalid) != 1 || n.invalid[0].Passed || n.invalid[0].Ack != rcvNxt || n.invalid[0].Reason == "" {
			t.Errorf("reported: %+v", n.invalid)
		}
		s := n.nat.Stats()
		if s.Invalid != 1 || s.RSTsSent != map[bool]uint64{false: 1, true: 0}[drop] || s.New != 1 {
			t.Errorf("stats %+v", s)
		}
		// The entry is none the worse for it.
		if got := n.in(serverAddr, outer, segment{seq: 101, ack: 101, win: w, flags: fACK}); len(got) != 1 {
			t.Error("a valid packet didn't pass any more")
		}
	}
}

func TestNATRefuses(t *testing.T) {
	n := newNatted(NATConfig{})
	outer := netip.AddrPortFrom(natAddr, 4000)
	for _, tt := range []struct {
		name string
		in   segment
		want *segment
	}{
		{"ACK", segment{seq: 7, ack: 9, flags: fACK, payload: 5}, &segment{seq: 9, flags: fRST}},
		{"SYN", segment{seq: 7, flags: fSYN, payload: 5}, &segment{ack: 13, flags: fRST | fACK}},
		{"RST", segment{seq: 7, flags: fRST}, nil},
	} {
		if got := n.in(serverAddr, outer, tt.in); len(got) != 0 {
			t.Errorf("%s: passed", tt.name)
		}
		got := n.server.take()
		switch {
		case tt.want == nil && len(got) != 0:
			t.Errorf("%s was answered", tt.name)
		case tt.want != nil && (len(got) != 1 || !bytes.Equal(got[0].p.Bytes(), tcpPacket(outer, serverAddr, *tt.want).Bytes())):
			t.Errorf("%s: answered with %v, want %+v", tt.name, got, tt.want)
		}
	}
	bad := tcpPacket(serverAddr, outer, segment{flags: fACK})
	bad.transport()[header.TCPChecksumOffset] ^= 1
	n.server.send(bad)
	n.server.send(tcpPacket(serverAddr, clientAddr, segment{flags: fACK})) // to the inner address
	n.Clock.RunFor(time.Second)
	n.server.none(t)
	n.client.none(t)
}

func TestNATFlushAndPickup(t *testing.T) {
	mid := segment{seq: 101, ack: 101, win: w, flags: fACK, payload: 10}
	for _, tt := range []struct {
		name   string
		cfg    Conntrack
		passes bool
		notSYN uint64
	}{
		{name: "loose", passes: true},
		{name: "not loose", cfg: Conntrack{NoPickup: true}},
		{name: "new must be SYN", cfg: Conntrack{NewMustBeSYN: true}, notSYN: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNatted(NATConfig{Conntrack: tt.cfg})
			outer := n.open(t, clientAddr, serverAddr)
			n.nat.Flush()
			if got := n.in(serverAddr, outer, mid); len(got) != 0 {
				t.Error("the NAT remembers the connection")
			}
			n.server.take() // the NAT's RST
			if got := n.out(clientAddr, serverAddr, mid); (len(got) == 1) != tt.passes {
				t.Errorf("%d packets passed from the client", len(got))
			}
			if s := n.nat.Stats(); s.NotSYN != tt.notSYN || s.NoConn != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestNATExpiry(t *testing.T) {
	n := newNatted(NATConfig{DropInvalid: true, Conntrack: Conntrack{Timeouts: Timeouts{Established: time.Minute}}})
	outer := n.open(t, clientAddr, serverAddr)
	ack := segment{seq: 101, ack: 101, win: w, flags: fACK}
	n.Clock.RunFor(59 * time.Second)
	if len(n.in(serverAddr, outer, ack)) != 1 {
		t.Error("the mapping expired early")
	}
	n.Clock.RunFor(61 * time.Second)
	if len(n.in(serverAddr, outer, ack)) != 0 {
		t.Error("the mapping did not expire")
	}
}

// TestNATReopen uses a pair of addresses and ports again after an orderly end.
func TestNATReopen(t *testing.T) {
	n := newNatted(NATConfig{})
	outer := n.open(t, clientAddr, serverAddr)
	n.out(clientAddr, serverAddr, segment{seq: 101, ack: 101, win: w, flags: fFIN | fACK})
	n.in(serverAddr, outer, segment{seq: 101, ack: 102, win: w, flags: fFIN | fACK})
	n.out(clientAddr, serverAddr, segment{seq: 102, ack: 102, win: w, flags: fACK})
	if again := n.open(t, clientAddr, serverAddr); again != outer {
		t.Errorf("outer address %v, then %v", outer, again)
	}
	if s := n.nat.Stats(); s.New != 2 || s.Invalid != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestNATErrors sends ICMP errors through the NAT in both directions.
func TestNATErrors(t *testing.T) {
	for _, tt := range []struct {
		client, server netip.AddrPort
		outer, router  netip.Addr
	}{
		{clientAddr, serverAddr, natAddr, netip.MustParseAddr("203.0.113.1")},
		{client6, server6, natAddr6, netip.MustParseAddr("2001:db8:ffff::1")},
	} {
		n := newNatted(NATConfig{})
		outer := n.open(t, tt.client, tt.server)
		s := segment{seq: 101, ack: 101, win: w, flags: fACK, payload: 1000}

		// About a packet of the client, from outside.
		n.server.send(newTooBig(tcpPacket(outer, tt.server, s), tt.router, 1300))
		n.Clock.RunFor(time.Second)
		got, want := n.client.one(t), newTooBig(tcpPacket(tt.client, tt.server, s), tt.router, 1300)
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("inbound error %x, want %x", got.Bytes(), want.Bytes())
		}
		// About a packet of the server, from inside.
		n.client.send(newTooBig(tcpPacket(tt.server, tt.client, s), netip.AddrFrom4([4]byte{10, 1, 0, 1}), 1300))
		if tt.client.Addr().Is6() {
			n.Clock.RunFor(time.Second)
			n.server.none(t) // no ICMPv6 about IPv4
			n.client.send(newTooBig(tcpPacket(tt.server, tt.client, s), tt.client.Addr(), 1300))
		}
		n.Clock.RunFor(time.Second)
		got, want = n.server.one(t), newTooBig(tcpPacket(tt.server, outer, s), tt.outer, 1300)
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("outbound error %x, want %x", got.Bytes(), want.Bytes())
		}
		// About nothing the NAT knows.
		n.server.send(newTooBig(tcpPacket(netip.AddrPortFrom(tt.outer, 9), tt.server, s), tt.router, 1300))
		n.Clock.RunFor(time.Second)
		n.client.none(t)
		if s := n.nat.Stats(); s.ICMPErrors != 2 {
			t.Errorf("stats %+v", s)
		}
	}
}

// TestNATPathMTU lets a real connection through a NAT find a smaller MTU.
func TestNATPathMTU(t *testing.T) {
	for i, to := range []netip.AddrPort{serverAddr, server6} {
		m := NewMultihomed(MultihomedConfig{Seed: 1, Uplinks: []Uplink{{
			Link: Symmetric(Wire{Delay: 5 * time.Millisecond}), NAT: &NATConfig{},
		}}})
		a, b := newStack(t, m.Client), newStack(t, m.Server)
		ln := listen(t, b, to)
		conn := dial(t, a, netip.Addr{}, to)
		m.Clock.RunFor(time.Second)
		m.Bottleneck.SetMTU(1300) // smaller than the MSS that was agreed
		transfer(t, m.Network, conn, ln, payload(100<<10), time.Minute)
		if s := m.NATs[0].Stats(); s.ICMPErrors == 0 || s.Invalid != 0 {
			t.Errorf("case %d: stats %+v", i, s)
		}
	}
}
