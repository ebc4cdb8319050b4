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
			c.conn.ownRequest.Tag = k.requestTag(k.role, uint64(r.ReqNo), p.Seq)
			r = c.conn.ownRequest
		}
		p.Options = FormatKinds.layout().appendRequest(nil, r, maxOptions)
		if n := w.answers(func() { w.inject(p) }); n != 0 || c.conn.syns != nil {
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

// TestReplay: an attacker plays a recorded request from another tuple, and sends back
// all that may pass for its completion.
//
// M531: A third ACK with a known token MUST be dropped without an answer if its tag or
// its nonce is wrong. That MUST cost neither state nor allocation.
//
// M567: A repeated SYN MUST be dropped after the move.
func TestReplay(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		syn := w.captureSYN(c)
		replay := syn
		replay.Tuple.Local = attacker
		var synacks []packet
		w.seen = func(p *packet) {
			if p.Tuple.Remote != attacker {
				return
			}
			if synacks = append(synacks, *p); p.kind() != "SYN-ACK+Migrate" && p.kind() != "ACK" && p.kind() != "RST" {
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

// record returns what e sends in a migration, which is carried out.
func (w *world) record(e *end) (recorded []packet) {
	w.t.Helper()
	w.seen = func(p *packet) {
		if p.from() == e.role && (p.kind() == "SYN+Migrate" || p.kind() == "ACK+Migrate") {
			recorded = append(recorded, *p)
		}
	}
	w.mustStart(e, true)
	if err := w.over(e); err != nil {
		w.fatalf("%v", err)
	}
	w.runFor(time.Minute)
	w.seen = nil
	return recorded
}

// TestRecordedACK: the third ACK of one migration does not complete another.
func TestRecordedACK(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		acks := append(w.record(c), w.record(s)...)
		syn := w.captureSYN(c)
		w.inject(syn)
		before := s.cur
		for _, p := range acks {
			p.Tuple = syn.Tuple
			w.inject(p)
		}
		if s.cur != before || len(acks) < 4 {
			w.fatalf("%d recorded, moved to %v", len(acks), s.cur)
		}
	})
}

// TestRecordedHandshake: an attacker has recorded a whole handshake, and kept the third
// ACK from arriving. The attacker cannot complete it from elsewhere, at either end.
//
// M223: The responder MUST answer a request with a nonce of 6 bytes. The initiator
// MUST return its first byte, the open one, and hash all of it into the tags of its
// ACKs.
func TestRecordedHandshake(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = func(p *packet) []time.Duration {
			if p.from() == c.role && p.kind() == "ACK+Migrate" {
				return drop
			}
			return pass
		}
		recorded := w.record(c)
		w.shape = nil
		if len(s.moves) > 0 || len(recorded) < 3 {
			w.fatalf("%d recorded", len(recorded))
		}
		at := [2]Tuple{c.cur, s.cur}
		for _, e := range w.ends {
			for _, p := range recorded {
				p.Tuple = Tuple{attacker, e.cur.Local}
				w.inject(p)
			}
		}
		if at != [2]Tuple{c.cur, s.cur} {
			w.fatalf("moved to %v, %v", c.cur, s.cur)
		}
		w.migrate(c)
	})
}

// TestLateProof: the initiator moves as long as its nonce counts. The peer has forgotten
// the SYN-ACK by then.
func TestLateProof(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var third packet
		w.shape = func(p *packet) []time.Duration {
			if p.from() == c.role && p.kind() == "ACK+Migrate" {
				third = *p
				return drop
			}
			return pass
		}
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runFor(30 * time.Second)
		w.shape = nil
		w.inject(third)
		w.checkMoved()
		if len(s.moves) != 1 {
			w.fatalf("%v", s.moves)
		}
	})
}
