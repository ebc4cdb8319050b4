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
		r, _ := ParseRequest(FormatKinds, ack.Options)
		r.Tag = k.ackTag(k.role, 1, ack.Seq, r.Token)
		ack.Options = FormatKinds.layout().appendRequest(nil, r, maxOptions)
		var kinds []string
		w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
		if s.sendACK(); !slices.Equal(kinds, []string{"ACK"}) {
			w.fatalf("%v without being asked", kinds)
		}
		kinds = nil
		w.inject(ack)
		bad := ack
		bad.Options = slices.Clone(ack.Options)
		bad.Options[18] ^= 1
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
// M526: The responder MUST NOT move before a valid third ACK has come on the
// provisional path.
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

// TestPeerRcvNxt: the peer's claim of received data is believed only if it can be true.
func TestPeerRcvNxt(t *testing.T) {
	c := &Machine{suite: SuiteX25519SHA256, keys: &keys{suite: SuiteX25519SHA256, iss: 0xffffff00}}
	tcb := TCB{SndUna: 0xfffffff0, SndNxt: 0x10}
	for rel, want := range map[uint32]bool{0xef: false, 0xf0: true, 0x100: true, 0x110: true, 0x111: false, 0: false} {
		seq, ok := c.peerRcvNxt(rcvNxtField(rel, 7), tcb)
		if ok != want || seq != 0xffffff00+rel {
			t.Errorf("%#x: %#x, %v", rel, seq, ok)
		}
	}
	c.suite = SuiteX25519SHA1
	if _, ok := c.peerRcvNxt(rcvNxtField(0x100, 7), tcb); ok {
		t.Error("a token is no number")
	}
}
