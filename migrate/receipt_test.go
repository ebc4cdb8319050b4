// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"testing"
	"time"
)

// TestRepeatedACK: the responder answers the initiator's repeated third ACK for a
// while, and no other.
//
// M548: The responder MUST move when a valid third ACK comes, and answer it by step 5.
// So it MUST answer each valid one that arrives within drainTime of the move.
func TestRepeatedACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var ack packet
		w.seen = func(p *packet) {
			if p.kind() == "ACK+Migrate" && p.from() == c.role {
				ack = *p
			}
		}
		w.migrate(c)
		w.seen = nil
		ack.Seq, ack.Ack = c.sndNxt, c.rcvNxt
		k := c.conn.keys
		r, _ := ParseProof(FormatKinds, ack.Options)
		r.Tag = k.proofTag(labelProof, k.role, 1, ack.Seq, r, s.conn.finished.nonce)
		ack.Options = FormatKinds.layout().appendProof(nil, r, maxOptions)
		var kinds []string
		w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
		if s.sendACK(); !slices.Equal(kinds, []string{"ACK"}) {
			w.fatalf("%v without being asked", kinds)
		}
		kinds = nil
		w.inject(ack)
		bad := ack
		bad.Options = slices.Clone(ack.Options)
		bad.Options[25] ^= 1
		w.inject(bad)
		if !slices.Equal(kinds, []string{"ACK+Migrate"}) {
			w.fatalf("answers %v", kinds)
		}
		s.sendACK()
		if !slices.Equal(kinds, []string{"ACK+Migrate", "ACK"}) {
			w.fatalf("answers %v", kinds)
		}
		// If SACK blocks leave no room for it, the answer waits, and does not
		// make more segments in the meantime.
		s.room, kinds = 16, nil
		w.inject(ack)
		w.inject(ack)
		s.sendACK()
		s.room = 28
		s.sendACK()
		s.sendACK()
		if !slices.Equal(kinds, []string{"ACK", "ACK", "ACK+Migrate", "ACK"}) {
			w.fatalf("answers %v", kinds)
		}
		w.runFor(drainTime)
		kinds = nil
		if w.inject(ack); kinds != nil || s.conn.WantsACKs() {
			w.fatalf("answers %v after the drain", kinds)
		}
	})
}

// TestBindAfterMove: the responder binds a key before the initiator knows that
// the migration is complete.
func TestBindAfterMove(t *testing.T) {
	w := usual.connected(t, 1)
	c, s := w.opener(), w.acceptor()
	w.shape = lose(s.role, "ACK+Migrate", 1)
	w.mustStart(c, true)
	w.runUntil("responder moved", time.Second, func() bool { return len(s.moves) == 1 })
	secret := []byte("exported keying material")
	if err := s.conn.BindKey(secret); err != nil {
		t.Fatal(err)
	}
	s.settle()
	w.runUntil("initiator knows", time.Second, func() bool { return c.conn.done == 1 })
	if err := c.conn.BindKey(secret); err != nil {
		t.Fatal(err)
	}
	c.settle()
	w.migrate(c)
}

// TestDataOnThirdACK: a segment with payload that proves all is not kept from
// TCP.
func TestDataOnThirdACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "ACK+Migrate" && p.from() == c.role {
				p.Len = 77
			}
			return pass
		}
		before := s.rcvNxt
		w.mustStart(c, true)
		w.runUntil("moved", time.Second, func() bool { return len(s.moves) > 0 })
		if s.rcvNxt != before+77 {
			t.Errorf("%d bytes arrived", s.rcvNxt-before)
		}
	})
}

// TestThirdACKFlags: the option of step 4 on anything but an ACK.
//
// M526: The responder MUST NOT move before a valid third ACK has come.
func TestThirdACKFlags(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		var third packet
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "ACK+Migrate" && p.from() == c.role {
				third = *p
				return drop
			}
			return pass
		}
		w.mustStart(c, true)
		w.runUntil("third ACK", time.Second, func() bool { return third.ACK })
		for _, change := range []func(*packet){
			func(p *packet) { p.SYN = true },
			func(p *packet) { p.ACK = false },
		} {
			p := third
			change(&p)
			if w.inject(p); len(s.moves) > 0 {
				w.fatalf("moved by %v", &p)
			}
		}
		if w.inject(third); len(s.moves) != 1 {
			w.fatalf("not moved")
		}
	})
}

// TestResponderRTT: which of two SYN-ACKs has been answered cannot be told
// (RFC 6298, section 3).
func TestResponderRTT(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.migrate(c)
		w.shape = lose(s.role, "SYN-ACK+Migrate", 1)
		w.migrate(c)
		if s.moves[0].RTT != 2*w.delay || s.moves[1].RTT != 0 {
			t.Errorf("%v, %v", s.moves[0].RTT, s.moves[1].RTT)
		}
	})
}

// TestFencedLate: the copy is behind what the initiator had acknowledged since its SYN. It
// answers the SYN, and is found out by its receipt.
//
// M608: An initiator MUST end the connection if step 5 tells a RCV.NXT below the SND.UNA
// that it had when it moved.
func TestFencedLate(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "SYN+Migrate" {
				return []time.Duration{100 * time.Millisecond}
			}
			return pass
		}
		w.mustStart(c, true)
		behind := s.rcvNxt
		c.write(100)
		w.runUntil("delivered", 50*time.Millisecond, w.delivered)
		w.runUntil("acknowledged", 50*time.Millisecond, func() bool { return c.sndUna == c.sndNxt })
		s.rcvNxt = behind
		w.runFor(10 * time.Second)
		if c.err != ErrFenced || c.counts[CountFenced] != 1 {
			w.fatalf("%v, %v", c.err, c.counts)
		}
	})
}

// TestProofBehind: a third ACK says that less has arrived than was acknowledged.
//
// M607: A third ACK with a RCV.NXT below the receiver's SND.UNA MUST be dropped.
func TestProofBehind(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		c.rcvNxt--
		third := w.third(c, s, 1, 0, 0)
		c.rcvNxt++
		w.inject(third)
		if len(s.moves) > 0 || s.counts[CountFenced] != 1 {
			w.fatalf("moved to %v, %v", s.cur, s.counts)
		}
		w.inject(w.third(c, s, 1, 0, 0))
		if len(s.moves) != 1 {
			w.fatalf("%v", s.counts)
		}
	})
}

// TestFenced: one of the ends is a copy of the connection that another owner has left
// behind. It does not go on, whichever end began, and whatever the suite.
//
// M606: An end that learns of a RCV.NXT of its peer beyond its own SND.NXT MUST NOT move.
// It MUST end the connection: it is a copy that is behind.
//
// M607: A third ACK with a RCV.NXT below the receiver's SND.UNA MUST be dropped.
//
// M608: An initiator MUST end the connection if step 5 tells a RCV.NXT below the SND.UNA
// that it had when it moved.
func TestFenced(t *testing.T) {
	behind := map[string]func(stale, other *end, by uint32){
		"sent less":     func(stale, _ *end, by uint32) { stale.sndNxt -= by; stale.sndUna -= by },
		"received less": func(stale, _ *end, by uint32) { stale.rcvNxt -= by },
	}
	for name, change := range behind {
		t.Run(name, func(t *testing.T) {
			for _, own := range []bool{true, false} { // the copy begins, or its peer does
				eachSuite(t, func(t *testing.T, w *world, stale, other *end) {
					first := stale
					if !own {
						first = other
					}
					stale.write(100)
					other.write(100)
					w.runUntil("delivered", time.Second, w.delivered)
					w.runFor(time.Second)
					change(stale, other, 50)
					w.mustStart(first, true)
					w.runFor(10 * time.Second)
					if len(stale.moves) > 0 && len(other.moves) > 0 {
						w.fatalf("the copy goes on")
					}
					if name == "sent less" && (stale.err != ErrFenced || stale.counts[CountFenced] == 0) {
						w.fatalf("%v, %v", stale.err, stale.counts)
					}
				})
			}
		})
	}
}
