// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import "sync"

// InvalidPacket is a packet that connection tracking objected to.
type InvalidPacket struct {
	Record
	// Reason is why, in the words of the Linux log where it has some.
	Reason string
	// Passed is set if the packet was let through all the same.
	Passed bool
}

// BoxStats counts the packets at a [NAT] or [Firewall].
type BoxStats struct {
	Passed     uint64 // translated, or let through by a firewall
	New        uint64 // connections begun
	Invalid    uint64 // not part of their connection; dropped
	Tolerated  uint64 // objected to, but passed
	NoConn     uint64 // from outside without a connection; dropped
	NotSYN     uint64 // by Conntrack.NewMustBeSYN; dropped
	Other      uint64 // not trackable, wrong addresses, or the table is full; dropped
	RSTsSent   uint64 // by the NAT itself
	ICMPErrors uint64 // passed, as they concern a connection
}

// tracking is the common part of NAT and Firewall.
type tracking struct {
	onInvalid func(InvalidPacket)

	mu    sync.Mutex
	table connTable
	stats BoxStats
}

// Flush forgets all connections, like a reboot.
func (t *tracking) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.table.conns)
}

// Stats returns the counters.
func (t *tracking) Stats() BoxStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// track follows p's connection, which may be a new one if the packet comes from inside.
// It counts the packets that it objects to.
func (t *tracking) track(p *Packet, tp tuple, at Hop) (tracked, *InvalidPacket) {
	tr := t.table.track(p, tp, at.Dir == AtoB, at.Now)
	switch {
	case tr.verdict == ctInvalidPacket:
		t.stats.Invalid++
	case tr.verdict == ctIgnored:
		t.stats.Tolerated++
	case tr.conn == nil:
		t.stats.NoConn++
	}
	if tr.reason == "" || t.onInvalid == nil {
		return tr, nil
	}
	return tr, &InvalidPacket{
		Record: newRecord(p, p.Len(), at.link, at.Dir, FateSent, at.Now),
		Reason: tr.reason,
		Passed: tr.verdict != ctInvalidPacket,
	}
}

// report tells the hook of an objection. It is called without the lock, so that
// the hook may use the box.
func (t *tracking) report(o *InvalidPacket) {
	if o != nil {
		t.onInvalid(*o)
	}
}

// other drops a packet that is not the box's concern.
func (t *tracking) other() Verdict {
	t.stats.Other++
	return Drop
}
