// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMTU is the MTU of a link that names none, in bytes.
const DefaultMTU = 1500

// Direction is one of the two directions of a link.
type Direction uint8

// The directions of a link, after the order of the ends in [Network.Connect]. By
// convention A is the inner side: the client's, and the side that a NAT or firewall
// protects.
const (
	AtoB Direction = iota
	BtoA
)

// Reverse returns the other direction.
func (d Direction) Reverse() Direction { return d ^ 1 }

func (d Direction) String() string {
	if d == AtoB {
		return "A>B"
	}
	return "B>A"
}

// LinkConfig describes a link.
type LinkConfig struct {
	// AtoB and BtoA are the two directions.
	AtoB, BtoA Wire
	// MTU is the longest IP packet that passes, in bytes; zero means
	// DefaultMTU. A router fragments longer IPv4 packets without DF and answers
	// other ones with ICMP Fragmentation Needed or ICMPv6 Packet Too Big.
	MTU int
	// PMTUBlackhole drops packets longer than the MTU without an answer.
	PMTUBlackhole bool
}

// Symmetric describes a link whose two directions are alike.
func Symmetric(w Wire) LinkConfig { return LinkConfig{AtoB: w, BtoA: w} }

// End is an end of a link: an [Interface] or a [Router].
type End interface {
	// Name returns the name used in traces.
	Name() string
	// attach makes the link one of the end's.
	attach(l *Link)
	// receive takes a packet that came out of the link.
	receive(p *Packet, from *Link)
}

// Link connects two ends. Packets from A to B first pass the wire, then the boxes in
// the order of [Link.Use]. Packets from B to A pass the boxes in reverse order, then
// the wire. The boxes thus sit at B's end.
type Link struct {
	net   *Network
	ends  [2]End  // A, B
	wires [2]wire // by Direction

	mu        sync.Mutex
	mtu       int
	blackhole bool
	boxes     []Box // replaced, never changed
	rec       *Recorder

	last atomic.Pointer[lastPackets] // nil unless Network.KeepLast wants it
}

// A returns the inner end.
func (l *Link) A() End { return l.ends[0] }

// B returns the outer end, where the boxes are.
func (l *Link) B() End { return l.ends[1] }

// Use appends middleboxes at B's end.
func (l *Link) Use(boxes ...Box) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.boxes = append(append([]Box(nil), l.boxes...), boxes...)
}

// Record makes r record every packet offered to the wire, and its fate. A nil r ends
// the recording.
func (l *Link) Record(r *Recorder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rec = r
}

// Wire returns the present state of a direction.
func (l *Link) Wire(d Direction) Wire { return l.wires[d].config() }

// SetWire changes a direction. A new rate or delay counts for packets sent from
// now on.
func (l *Link) SetWire(d Direction, w Wire) { l.wires[d].configure(w) }

// SetDown takes both directions down or up. Packets that are queued or on the wire when
// the link goes down are lost.
func (l *Link) SetDown(down bool) {
	for i := range l.wires {
		w := l.wires[i].config()
		w.Down = down
		l.wires[i].configure(w)
	}
}

// MTU returns the link's MTU in bytes.
func (l *Link) MTU() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mtu
}

// SetMTU changes the MTU; see LinkConfig.MTU.
func (l *Link) SetMTU(mtu int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mtu = mtu
}

// Stats returns the counters of a direction.
func (l *Link) Stats(d Direction) WireStats { return l.wires[d].snapshot() }

// enter takes a packet from an end into the link.
func (l *Link) enter(p *Packet, from End, now time.Duration) {
	p.link, p.dir, p.hop = l, AtoB, 0
	if from == l.ends[1] {
		p.dir = BtoA
	}
	l.pass(p, now)
}

// resume continues with a packet that waited for an event: it has crossed the
// wire, or a box had delayed it.
func (l *Link) resume(p *Packet, now time.Duration) {
	if p.onWire {
		p.onWire = false
		if !l.wires[p.dir].arrive(p.epoch) {
			l.noteLast(p, p.dir, FateDown, now)
			p.release()
			return
		}
		p.hop++
	}
	l.pass(p, now)
}

func (l *Link) chain() []Box {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boxes
}

// pass moves a packet through its hops until it waits, ends or has arrived.
// With n boxes the hops are: wire, box 0, ..., box n-1 from A to B; box n-1,
// ..., box 0, wire from B to A.
func (l *Link) pass(p *Packet, now time.Duration) {
	for {
		boxes := l.chain()
		n, wireHop, box := len(boxes), 0, p.hop-1
		if p.dir == BtoA {
			wireHop, box = n, n-1-p.hop
		}
		switch {
		case p.hop > n:
			l.ends[p.dir.Reverse()].receive(p, l)
			return
		case p.hop == wireHop:
			l.transmit(p, now)
			return
		}
		if !l.judge(p, boxes[box], now) {
			return
		}
	}
}

// judge lets a box have its say and reports whether p goes on right now.
func (l *Link) judge(p *Packet, box Box, now time.Duration) bool {
	v := box.Process(p, Hop{Dir: p.dir, Now: now, link: l, hop: p.hop})
	p.hop++
	switch {
	case v == Pass:
		return true
	case v == Drop:
		l.noteLast(p, p.dir, FateDropped, now)
		p.release()
	case v == Duplicate:
		d := p.clone()
		d.link, d.dir, d.hop = l, p.dir, p.hop
		l.pass(p, now)
		l.pass(d, now)
	default:
		l.net.Clock.schedule(&p.event, time.Duration(v))
	}
	return false
}

// transmit puts p on the wire.
func (l *Link) transmit(p *Packet, now time.Duration) {
	l.mu.Lock()
	mtu, blackhole, rec := l.mtu, l.blackhole, l.rec
	l.mu.Unlock()
	dir, hop := p.dir, p.hop
	if p.Len() > mtu && l.fragment(p, mtu, now) {
		return
	}
	fate := l.wires[dir].send(p, mtu, now)
	l.noteLast(p, dir, fate, now)
	if rec != nil {
		rec.record(p, l, dir, fate, now)
	}
	if fate == FateSent {
		return
	}
	if fate == FateTooBig && !blackhole {
		if r, ok := l.ends[dir].(*Router); ok {
			if e := r.tooBig(p, mtu); e != nil {
				Hop{Dir: dir, Now: now, link: l, hop: hop}.Reply(e)
			}
		}
	}
	p.release()
}
