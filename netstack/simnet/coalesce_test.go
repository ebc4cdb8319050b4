// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// coalesced is a host without a stack, which sends packets made by hand, and a server
// with a stack that coalesces.
type coalesced struct {
	*Network
	client *probe
	server *Host
}

func newCoalesced(d time.Duration) *coalesced {
	n := New(1)
	c := &coalesced{Network: n, client: newProbe(n, "client"), server: n.NewHost("server")}
	eth := c.server.NewInterface("eth0", netip.PrefixFrom(serverAddr.Addr(), 24))
	n.Connect(c.client.Interface, eth, Symmetric(Wire{Delay: time.Millisecond}))
	c.server.SetCoalescing(d)
	return c
}

// TestCoalescing sends the same SYN twice, at once. If the stack processes the first
// before the second comes, the second meets the connection that the first has begun. It
// is answered as one out of place (RFC 9293, section 3.10.7.4). If both queue, both
// reach the listener, and the second finds its addresses taken.
func TestCoalescing(t *testing.T) {
	for _, tt := range []struct {
		d     time.Duration
		wants []header.TCPFlags
	}{
		{0, []header.TCPFlags{fSYN | fACK, fACK}},
		{100 * time.Microsecond, []header.TCPFlags{fSYN | fACK}},
	} {
		c := newCoalesced(tt.d)
		listen(t, newStack(t, c.server), serverAddr)
		c.Clock.RunFor(time.Minute) // past the multicast of IPv6
		c.client.take()
		syn := tcpPacket(clientAddr, serverAddr, segment{seq: 100, win: 65535, flags: fSYN})
		began := c.Clock.Elapsed()
		c.client.send(syn)
		c.client.send(syn)
		c.Clock.RunFor(100 * time.Millisecond)
		got := c.client.take()
		if len(got) != len(tt.wants) {
			t.Errorf("%v: %d answers, want %d", tt.d, len(got), len(tt.wants))
			continue
		}
		for i, a := range got {
			h, _ := a.p.TCP()
			if h.Flags() != tt.wants[i] {
				t.Errorf("%v: answer %d is %s, want %s", tt.d, i, flagString(h.Flags()), flagString(tt.wants[i]))
			}
			if took := a.at - began; took != 2*time.Millisecond+tt.d {
				t.Errorf("%v: answer %d after %v", tt.d, i, took)
			}
		}
	}
}

// TestCoalescingInterfaces has one batch take the packets that arrive at both
// interfaces of a host within the time. The next batch takes the later ones.
func TestCoalescingInterfaces(t *testing.T) {
	const d = time.Millisecond
	n := New(1)
	src, dst := newProbe(n, "client"), newProbe(n, "server")
	second := &probe{Interface: dst.host.NewInterface("eth1")}
	second.Attach(dst)
	other := &probe{Interface: src.host.NewInterface("eth1")}
	n.Connect(src.Interface, dst.Interface, LinkConfig{})
	n.Connect(other.Interface, second.Interface, LinkConfig{})
	dst.host.SetCoalescing(d)
	for i, from := range []*probe{src, other, src, other} {
		n.Clock.AfterFunc(time.Duration(i)*d*2/5, func() { from.send(udpPacket(clientAddr, serverAddr, 100+i)) })
	}
	n.Clock.RunFor(time.Second)
	got := dst.take()
	if len(got) != 4 {
		t.Fatalf("%d packets arrived", len(got))
	}
	for i, want := range []time.Duration{d, d, d, 6*d/5 + d} {
		if got[i].at != want || got[i].p.Len() != 100+i {
			t.Errorf("packet %d of %d bytes at %v, want at %v", i, got[i].p.Len(), got[i].at, want)
		}
	}
}

// TestCoalescingBacklog sends more than may wait, then ends the coalescing.
func TestCoalescingBacklog(t *testing.T) {
	c := newCoalesced(time.Millisecond)
	dst := &probe{Interface: c.server.Interfaces()[0]}
	c.server.stack = noStack{}
	dst.Attach(dst)
	for range MaxBacklog + 10 {
		c.client.send(udpPacket(clientAddr, serverAddr, 100))
	}
	c.Clock.RunFor(time.Millisecond)
	c.server.SetCoalescing(0)
	c.Clock.RunFor(time.Millisecond)
	if n := len(dst.take()); n != MaxBacklog {
		t.Errorf("%d packets arrived, want %d", n, MaxBacklog)
	}
	c.client.send(udpPacket(clientAddr, serverAddr, 100))
	began := c.Clock.Elapsed()
	c.Clock.RunFor(time.Second)
	if got := dst.take(); len(got) != 1 || got[0].at != began+time.Millisecond {
		t.Errorf("%d packets arrived without coalescing", len(got))
	}
}

// TestCoalescingRepeats checks that a connection between hosts that coalesce repeats
// itself bit for bit.
func TestCoalescingRepeats(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	run := func(d time.Duration) string {
		p := NewPair(1, access)
		p.A.SetCoalescing(d)
		p.B.SetCoalescing(d)
		rec := NewRecorder(0)
		p.Link.Record(rec)
		a, b := stackOf(t, p.A), stackOf(t, p.B)
		defer a.Destroy()
		defer b.Destroy()
		at := netip.AddrPortFrom(PairB4.Addr(), 80)
		transfer(t, p.Network, dial(t, a, netip.Addr{}, at), listen(t, b, at), payload(256<<10), time.Minute)
		return rec.Digest()
	}
	var digests []string
	for _, procs := range []int{1, 2, 2} {
		runtime.GOMAXPROCS(procs)
		digests = append(digests, run(2*time.Millisecond))
	}
	for _, d := range digests {
		if d != digests[0] {
			t.Errorf("digests differ: %q", digests)
			break
		}
	}
	if run(0) == digests[0] {
		t.Error("without coalescing the trace is the same")
	}
}
