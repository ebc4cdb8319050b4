// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// Box is a middlebox on a [Link].
//
// Process is called on the goroutine that drives the clock, one packet at a
// time. It may change p, but must not keep it. It may change the network
// (SetDown, SetWire, Route and so on), but must not drive the clock.
type Box interface {
	Process(p *Packet, at Hop) Verdict
}

// Verdict is a box's decision: Pass, Drop, Duplicate or a [Delay].
type Verdict int64

// The verdicts besides Delay.
const (
	Pass      Verdict = 0
	Drop      Verdict = -1
	Duplicate Verdict = -2
)

// Delay holds the packet back for d; the packets behind it overtake.
func Delay(d time.Duration) Verdict { return Verdict(max(d, 0)) }

// Hop is the place and time at which a box sees a packet.
type Hop struct {
	// Dir is the direction in which the packet crosses the link.
	Dir Direction
	// Now is the virtual time since the start.
	Now time.Duration

	link *Link
	hop  int
}

// Reply sends p, which it takes over, back from where h is, in the other
// direction. The box must not hold a lock of its own meanwhile.
func (h Hop) Reply(p *Packet) {
	p.link, p.dir = h.link, h.Dir.Reverse()
	p.hop = len(h.link.chain()) - h.hop + 1
	h.link.pass(p, h.Now)
}

// Filter returns a box that asks f about every packet. n counts the packets of
// that direction from 1.
func Filter(f func(p *Packet, d Direction, n int) Verdict) Box {
	return &filter{f: f}
}

// TCPFilter is a [Filter] that sees and counts TCP segments only.
func TCPFilter(f func(t header.TCP, d Direction, n int) Verdict) Box {
	b := &filter{}
	b.match = func(p *Packet) bool {
		_, ok := p.TCP()
		return ok
	}
	b.f = func(p *Packet, d Direction, n int) Verdict {
		t, _ := p.TCP()
		return f(t, d, n)
	}
	return b
}

type filter struct {
	match func(p *Packet) bool // nil matches all
	f     func(p *Packet, d Direction, n int) Verdict
	n     [2]int
}

func (b *filter) Process(p *Packet, at Hop) Verdict {
	if b.match != nil && !b.match(p) {
		return Pass
	}
	b.n[at.Dir]++
	return b.f(p, at.Dir, b.n[at.Dir])
}
