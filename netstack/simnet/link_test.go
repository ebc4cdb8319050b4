// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"math"
	"slices"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// pipe returns two probes joined by a link.
func pipe(cfg LinkConfig) (*Network, *probe, *probe, *Link) {
	n := New(1)
	a, b := newProbe(n, "a"), newProbe(n, "b")
	return n, a, b, n.Connect(a.Interface, b.Interface, cfg)
}

func times(got []arrival) []time.Duration {
	var ts []time.Duration
	for _, g := range got {
		ts = append(ts, g.at)
	}
	return ts
}

func TestWireDelayRateQueue(t *testing.T) {
	// 1000 bytes take 1 ms; three fit the queue.
	n, a, b, l := pipe(LinkConfig{AtoB: Wire{Delay: 10 * time.Millisecond, Rate: 8 * Mbit, Queue: 3000}})
	for range 5 {
		a.send(udpPacket(clientAddr, serverAddr, 1000))
	}
	n.Clock.RunFor(1500 * time.Microsecond) // one has left, there is room again
	a.send(udpPacket(clientAddr, serverAddr, 1000))
	b.send(udpPacket(serverAddr, clientAddr, 1000))
	n.Clock.RunFor(time.Second)
	const ms = time.Millisecond
	if got, want := times(b.take()), []time.Duration{11 * ms, 12 * ms, 13 * ms, 14 * ms}; !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
	if got := times(a.take()); len(got) != 1 || got[0] != 1500*time.Microsecond {
		t.Errorf("arrivals over the ideal direction at %v", got)
	}
	want := WireStats{Sent: 6, SentBytes: 6000, Delivered: 4, QueueDrops: 2}
	if got := l.Stats(AtoB); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestWireOversizeForQueue(t *testing.T) {
	n, a, b, _ := pipe(Symmetric(Wire{Rate: Mbit, Queue: 100}))
	a.send(udpPacket(clientAddr, serverAddr, 1000))
	n.Clock.RunFor(time.Second)
	b.one(t) // an idle sender takes any packet
}

func TestWireImpairments(t *testing.T) {
	const count = 20000
	n, a, b, l := pipe(LinkConfig{AtoB: Wire{
		Loss: 0.1, Duplicate: 0.05, Reorder: 0.02, ReorderDelay: 10 * time.Millisecond,
	}})
	for i := range count {
		p := udpPacket(clientAddr, serverAddr, 100)
		header.IPv4(p.Bytes()).SetID(uint16(i))
		a.send(p)
		n.Clock.RunFor(time.Millisecond)
	}
	n.Clock.RunFor(time.Second)
	s := l.Stats(AtoB)
	near := func(what string, got uint64, of uint64, p float64) {
		// Five standard deviations of at most sqrt(of*p).
		if want := float64(of) * p; float64(got) < want-5*math.Sqrt(want) || float64(got) > want+5*math.Sqrt(want) {
			t.Errorf("%d of %d %s, want about %.0f", got, of, what, want)
		}
	}
	near("lost", s.Lost, count, 0.1)
	near("duplicated", s.Duplicated, count-s.Lost, 0.05)
	near("reordered", s.Reordered, count-s.Lost, 0.02)
	got := b.take()
	if uint64(len(got)) != count-s.Lost+s.Duplicated || s.Delivered != uint64(len(got)) {
		t.Errorf("%d packets arrived, stats %+v", len(got), s)
	}
	var late, top uint64
	for _, g := range got {
		id := uint64(header.IPv4(g.p.Bytes()).ID())
		if id < top {
			late++
		}
		top = max(top, id)
	}
	// The copies of a reordered packet are late, too.
	if late < s.Reordered*9/10 || late > s.Reordered*11/10 {
		t.Errorf("%d packets arrived late, %d were reordered", late, s.Reordered)
	}
}

func TestLinkDown(t *testing.T) {
	n, a, b, l := pipe(Symmetric(Wire{Delay: 10 * time.Millisecond, Rate: 8 * Mbit}))
	a.send(udpPacket(clientAddr, serverAddr, 1000))
	n.Clock.RunFor(5 * time.Millisecond)
	l.SetDown(true)
	a.send(udpPacket(clientAddr, serverAddr, 1000))
	n.Clock.RunFor(time.Second)
	b.none(t) // neither the packet on the wire nor a later one
	l.SetDown(false)
	sent := n.Clock.Elapsed()
	a.send(udpPacket(clientAddr, serverAddr, 1000))
	n.Clock.RunFor(time.Second)
	if got := times(b.take()); len(got) != 1 || got[0] != sent+11*time.Millisecond {
		t.Errorf("after the link came up: arrivals at %v, sent at %v", got, sent)
	}
	if s := l.Stats(AtoB); s.DownDrops != 2 {
		t.Errorf("stats %+v, want two lost to the outage", s)
	}
}

func TestSetWire(t *testing.T) {
	n, a, b, l := pipe(LinkConfig{})
	w := l.Wire(AtoB)
	w.Delay = time.Second
	l.SetWire(AtoB, w)
	a.send(udpPacket(clientAddr, serverAddr, 100))
	n.Clock.RunFor(time.Second)
	if got := times(b.take()); len(got) != 1 || got[0] != time.Second {
		t.Errorf("arrivals at %v", got)
	}
}

func TestMTU(t *testing.T) {
	_, a, _, l := pipe(LinkConfig{MTU: 1400})
	if a.MTU() != 1400 {
		t.Errorf("MTU %d, want that of the link", a.MTU())
	}
	l.SetMTU(1300)
	if a.MTU() != 1300 {
		t.Errorf("MTU %d, want that of the link", a.MTU())
	}
	a.SetMTU(1280)
	if a.MTU() != 1280 || l.MTU() != 1300 {
		t.Errorf("MTU %d of %d, want what the stack has set", a.MTU(), l.MTU())
	}
	if free := New(1).NewHost("h").NewInterface("eth0"); free.MTU() != DefaultMTU {
		t.Errorf("MTU %d without a link", free.MTU())
	}
}

func TestRand(t *testing.T) {
	read := func(seed uint64, label string) string {
		b := make([]byte, 13)
		if n, err := New(seed).Rand(label).Read(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
		return string(b)
	}
	first, again := read(1, "a"), read(1, "a")
	if first != again || first == read(1, "b") || first == read(2, "a") {
		t.Error("randomness must depend on seed and label alone")
	}
}

func TestFilter(t *testing.T) {
	n, a, b, l := pipe(LinkConfig{})
	l.Use(Filter(func(p *Packet, d Direction, n int) Verdict {
		if d == BtoA {
			return Pass
		}
		return map[int]Verdict{2: Drop, 3: Duplicate, 4: Delay(time.Second)}[n]
	}))
	for range 5 {
		a.send(udpPacket(clientAddr, serverAddr, 100))
		b.send(udpPacket(serverAddr, clientAddr, 100))
	}
	n.Clock.RunFor(2 * time.Second)
	if got, want := times(b.take()), []time.Duration{0, 0, 0, 0, time.Second}; !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
	if got := a.take(); len(got) != 5 {
		t.Errorf("%d packets in the other direction, want 5", len(got))
	}
}

// TestBoxOrder checks that boxes are passed in reverse order on the way back. A delayed
// packet goes on behind the box, over the wire included.
func TestBoxOrder(t *testing.T) {
	n, a, b, l := pipe(Symmetric(Wire{Delay: time.Millisecond}))
	var seen []string
	box := func(name string) Box {
		return Filter(func(_ *Packet, d Direction, _ int) Verdict {
			seen = append(seen, name+d.String())
			return Delay(time.Millisecond)
		})
	}
	l.Use(box("1"), box("2"))
	a.send(udpPacket(clientAddr, serverAddr, 100))
	n.Clock.RunFor(time.Second)
	b.send(udpPacket(serverAddr, clientAddr, 100))
	n.Clock.RunFor(time.Second)
	if want := []string{"1A>B", "2A>B", "2B>A", "1B>A"}; !slices.Equal(seen, want) {
		t.Errorf("boxes saw %v, want %v", seen, want)
	}
	if got := times(b.take()); len(got) != 1 || got[0] != 3*time.Millisecond {
		t.Errorf("arrivals at b: %v", got)
	}
	if got := times(a.take()); len(got) != 1 || got[0] != time.Second+3*time.Millisecond {
		t.Errorf("arrivals at a: %v", got)
	}
}
