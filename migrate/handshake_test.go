// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"testing"
	"time"
)

// TestHandshakeNumbers has both ends send and acknowledge on the old path during the
// handshake. The first SYN and the first SYN-ACK are lost.
//
// M501: The SYN MUST use no sequence number: its SEQ + 1 is Cuna, the first byte not
// acknowledged. The SYN-ACK is at Suna - 1 in the same way, and acknowledges Cuna.
//
// M502: Cuna MUST be taken when the SYN is first sent, Suna when the SYN-ACK is. Both
// then MUST stay as they are.
//
// M542: The cover MUST be a segment without payload at SND.NXT. It is step 4, unless
// M543 delays it.
func TestHandshakeNumbers(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		type sent struct {
			packet
			una, nxt uint32 // of the sender
		}
		seen := make(map[string][]sent)
		w.seen = func(p *packet) {
			e := w.ends[p.from()]
			seen[p.kind()] = append(seen[p.kind()], sent{*p, e.sndUna, e.sndNxt})
		}
		w.shape = func(p *packet) []time.Duration {
			if p.SYN && len(seen[p.kind()]) == 1 {
				return drop
			}
			return pass
		}
		w.mustStart(c, true)
		for c.trying {
			c.write(100)
			s.write(100)
			w.runFor(5 * time.Millisecond)
		}
		for _, kind := range []string{"SYN+Migrate", "SYN-ACK+Migrate"} {
			first, again := seen[kind][0], seen[kind][1]
			if first.Seq+1 != first.una || again.Seq != first.Seq {
				w.fatalf("%s at %d and %d, SND.UNA was %d", kind, first.Seq, again.Seq, first.una)
			}
			if again.una == first.una {
				w.fatalf("nothing is acknowledged between the two")
			}
			if syn := seen["SYN+Migrate"][0]; first.ACK && (first.Ack != syn.Seq+1 || again.Ack != syn.Seq+1) {
				w.fatalf("%s acknowledges %d and %d, want %d", kind, first.Ack, again.Ack, syn.Seq+1)
			}
		}
		if third := seen["ACK+Migrate"][0]; third.from() != c.role || third.Seq != third.nxt || third.Len != 0 {
			w.fatalf("third ACK: %v, SND.NXT %d", &third.packet, third.nxt)
		}
		w.seen, w.shape = nil, nil
		w.checkMoved()
	})
}

// TestResponderGoesOn has a request answered whose completion does not come.
//
// M521: Until step 4 the responder MUST send and receive on the old path as before.
func TestResponderGoesOn(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		syn := w.captureSYN(c)
		if n := w.answers(func() { w.inject(syn) }); n == 0 {
			w.fatalf("no answer")
		}
		c.write(500)
		s.write(700)
		w.runUntil("delivered", 100*time.Millisecond, w.delivered)
		w.checkStayed(at)
	})
}

// TestOptionUntilReceipt loses the receipts for a while.
//
// M546: Until step 5 has arrived, the initiator MUST put the Migrate option on each
// segment, with payload or without. SACK blocks give way to it.
func TestOptionUntilReceipt(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = lose(s.role, "ACK+Migrate", every()...)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		ack := func() (kinds []string) {
			w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
			c.sendACK()
			c.write(1)
			w.seen = nil
			return kinds
		}
		for range 3 {
			if kinds := ack(); !slices.Equal(kinds, []string{"ACK+Migrate", "DATA+Migrate"}) {
				w.fatalf("%v before the receipt", kinds)
			}
			w.runFor(w.delay / 2)
		}
		w.shape = nil
		w.runUntil("receipt", time.Second, func() bool { return c.conn.Phase() == Idle })
		if kinds := ack(); !slices.Equal(kinds, []string{"ACK", "DATA"}) {
			w.fatalf("%v behind the receipt", kinds)
		}
	})
}

// TestStartReady: an acceptor that has published its tokens may be asked, and may not
// ask.
//
// M322: An end MUST NOT initiate before it has checked the peer's Key-Confirm. Then it
// MAY.
func TestStartReady(t *testing.T) {
	w := usual.world(t, 1)
	o, a := w.opener(), w.acceptor()
	w.shape = lose(Opener, "ACK+Confirm", every()...)
	o.connect()
	w.runUntil("opener confirmed", time.Second, func() bool { return o.conn.State() == Confirmed })
	if a.conn.State() != Ready {
		t.Fatalf("%v", a.conn.State())
	}
	if err := a.start(1, true); err != ErrNotNegotiated {
		t.Errorf("%v", err)
	}
	w.shape = nil
	w.migrate(o)
	w.migrate(a)
}
