// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// TestReflection: an attacker sends back a request of this end.
//
// M414: In suites 0x00 and 0x01 a migrate SYN MUST be dropped if it is the request
// that this end itself sent last. In suite 0x02 the role is in the key.
func TestReflection(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		p := w.captureSYN(c)
		p.Tuple = Tuple{attacker, c.cur.Local}
		p.Seq = c.rcvNxt - 1
		r := c.conn.ownRequest
		k := c.conn.keys
		if k.suite.rolling() {
			// Even a valid tag for these numbers is of the other role.
			r.Tag = k.requestTag(k.role, uint64(r.ReqNo), p.Seq)
		} else {
			// Its sequence number is plausible by chance.
			c.conn.ownRequest.Tag = k.draftTag(p.Seq, uint64(r.ReqNo))
			r = c.conn.ownRequest
		}
		p.Options = FormatKinds.layout().appendRequest(nil, r, maxOptions)
		if n := w.answers(func() { w.inject(p) }); n != 0 || c.conn.prov != nil {
			w.fatalf("%d packets in answer, phase %v", n, c.conn.Phase())
		}
		counter := CountReflected
		if k.suite.rolling() {
			counter = CountUnknownToken
		}
		if c.counts[counter] != 1 {
			w.fatalf("%v", c.counts)
		}
	})
}

// TestReplay: an attacker plays a recorded request from another tuple.
//
// M215: In suites 0x00 and 0x01 a third ACK with the SEQ of the responder's own
// SYN-ACK, or the number after it, MUST NOT be believed.
//
// M421: Of requests on hand, the highest counter MUST win. It replaces the provisional
// path of a lower one.
//
// M423: The same counter from another tuple is a replay. It MUST be dropped as long as
// the provisional path lives.
//
// M567: A repeated SYN MUST be dropped after the move.
func TestReplay(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		syn := onHand(t, w, c, s)
		replay := syn
		replay.Tuple.Local = attacker
		w.runFor(minSYNACKInterval)
		if n := w.answers(func() { w.inject(replay) }); n != 0 || s.counts[CountReplayedTuple] != 1 {
			w.fatalf("%d packets in answer, %v", n, s.counts)
		}
		if s.conn.prov.tuple.Remote != syn.Tuple.Local {
			w.fatalf("on hand: %v", s.conn.prov.tuple)
		}
		// When it has expired: a SYN-ACK to the attacker, and no more.
		w.runUntil("expired", time.Minute, func() bool { return s.conn.Phase() == Idle })
		w.shape = nil
		var synacks []packet
		w.seen = func(p *packet) {
			if p.Tuple.Remote != attacker {
				return
			}
			if synacks = append(synacks, *p); p.kind() != "SYN-ACK+Migrate" && p.kind() != "ACK" {
				w.fatalf("%v", p)
			}
		}
		w.inject(replay)
		if len(synacks) != 2 {
			w.fatalf("%v", synacks)
		}
		// The options of the recorded segments, sent back with each number that may
		// help.
		for _, o := range [][]byte{syn.Options, synacks[0].Options} {
			for _, seq := range []uint32{syn.Seq, syn.Seq + 1, synacks[0].Seq, synacks[0].Seq + 1, s.rcvNxt} {
				w.inject(packet{Segment: Segment{
					Tuple: Tuple{attacker, s.cur.Local}, ACK: true, Seq: seq, Ack: synacks[0].Seq + 1, Options: o,
				}})
			}
		}
		w.seen = nil
		w.checkStayed(at)
		if len(s.moves) != 0 {
			w.fatalf("moved to %v", s.cur)
		}
		// The owner's next request is taken in spite of it.
		w.inject(replay)
		w.migrate(c)

		// After the migration the record is worth nothing at all.
		if n := w.answers(func() { w.inject(syn); w.inject(replay) }); n != 0 {
			w.fatalf("%d packets in answer", n)
		}
	})
}

// TestRecordedACK: the third ACK of one migration does not complete another.
func TestRecordedACK(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		var acks []packet
		w.seen = func(p *packet) {
			if p.kind() == "ACK+Migrate" {
				acks = append(acks, *p)
			}
		}
		w.migrate(c)
		w.migrate(s)
		w.runFor(time.Minute)
		w.seen = nil
		syn := onHand(t, w, c, s)
		for _, p := range acks {
			p.Tuple = syn.Tuple
			w.inject(p)
		}
		if s.conn.Phase() != SYNReceived || len(acks) < 2 {
			w.fatalf("%d recorded", len(acks))
		}
	})
}

// TestRecordedHandshake: an attacker has recorded a whole handshake, and kept the third
// ACK from arriving. The attacker cannot complete it from elsewhere when the responder
// has forgotten. Section 10: suites without a nonce do not stop that.
//
// M223: The responder MUST choose the nonce when it takes the request. The ACKs of
// both ends MUST return it.
func TestRecordedHandshake(t *testing.T) {
	for r := range Role(2) {
		w := usual.connected(t, 1)
		c, s := w.ends[r], w.ends[r.peer()]
		var recorded []packet
		w.seen = func(p *packet) {
			if p.from() == c.role && (p.kind() == "SYN+Migrate" || p.kind() == "ACK+Migrate") {
				recorded = append(recorded, *p)
			}
		}
		w.shape = lose(c.role, "ACK+Migrate", every()...)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runFor(time.Minute)
		w.seen, w.shape = nil, nil
		for _, p := range recorded {
			p.Tuple = Tuple{attacker, s.cur.Local}
			w.inject(p)
		}
		if len(s.moves) > 0 || len(recorded) < 3 || s.conn.Phase() != SYNReceived {
			w.fatalf("%d recorded, moved to %v", len(recorded), s.cur)
		}
		w.migrate(c)
	}
}

// TestLostNonce: the responder's last SYN-ACK counts. The initiator takes it, also
// after the responder has forgotten and heard a late SYN.
func TestLostNonce(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var syn packet
		w.seen = func(p *packet) {
			if p.kind() == "SYN+Migrate" {
				syn = *p
			}
		}
		w.shape = lose(c.role, "ACK+Migrate", every()...)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runUntil("forgotten", time.Minute, func() bool { return s.counts[CountPathExpired] == 1 })
		if c.conn.Phase() != Completing {
			w.fatalf("%v", c.conn.Phase())
		}
		w.shape = nil
		w.inject(syn)
		w.checkMoved()
		if len(s.moves) != 1 {
			w.fatalf("%v", s.moves)
		}
	})
}
