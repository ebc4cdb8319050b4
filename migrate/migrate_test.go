// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"testing"
	"time"
)

// M541: The initiator MUST move when a valid SYN-ACK comes, and send step 4. An
// attempt that only probes the path ends there, without a move.
//
// M549: Steps 2, 4 and 5 MUST tell RCV.NXT.
func TestMigrate(t *testing.T) {
	everyCase(t, func(t *testing.T, v variant, initiator Role) {
		for _, keepOld := range []bool{true, false} {
			w := v.connected(t, 1)
			c, s := w.ends[initiator], w.ends[initiator.peer()]
			old, tokens := c.cur, s.conn.Tokens()
			w.mustStart(c, keepOld)
			if c.conn.Phase() != SYNSent || c.gated == keepOld {
				t.Errorf("%v, gated %v", c.conn.Phase(), c.gated)
			}
			w.runUntil("request answered", time.Second, func() bool { return len(s.conn.syns) == 1 })
			w.runUntil("answered", time.Second, func() bool { return c.conn.Phase() == Completing })
			if err := w.over(c); err != nil {
				w.fatalf("%v", err)
			}
			if c.rtt != 2*w.delay {
				t.Errorf("RTT %v", c.rtt)
			}
			w.checkMoved()

			if i, a := c.conn.Moves(); i != 1 || a != 0 {
				t.Errorf("initiator: %d, %d moves", i, a)
			}
			if i, a := s.conn.Moves(); i != 0 || a != 1 {
				t.Errorf("responder: %d, %d moves", i, a)
			}
			if c.counts[CountInitiated] != 1 || s.counts[CountAccepted] != 1 {
				t.Errorf("counted %v, %v", c.counts, s.counts)
			}
			if m := c.moves[0]; m.RTT != 2*w.delay || m.KeepCC || !m.HasPeerRcvNxt {
				t.Errorf("initiator: %+v", m)
			}
			if m := s.moves[0]; m.RTT != 2*w.delay || m.KeepCC || !m.HasPeerRcvNxt {
				t.Errorf("responder: %+v", m)
			}
			if v.suite.rolling() == (s.conn.Tokens()[0] == tokens[0]) {
				t.Error("tokens in use for a migration and after it")
			}
			if !slices.Equal(c.drains, []Tuple{old}) {
				t.Errorf("drains %v", c.drains)
			}
			w.runFor(drainTime + time.Second)
			for _, e := range w.ends {
				if at, ok := e.conn.Deadline(); ok || len(e.drains) > 0 || e.conn.Watching() || e.conn.WantsACKs() {
					t.Errorf("%v: still busy: deadline %v, drains %v", e.role, at, e.drains)
				}
			}
			w.migrate(s)
			w.migrate(c)
		}
	})
}

// TestMigratePort changes nothing but the port.
func TestMigratePort(t *testing.T) {
	w := usual.connected(t, 1)
	if err := w.opener().start(0, true); err != nil {
		t.Fatal(err)
	}
	if err := w.over(w.opener()); err != nil {
		t.Fatal(err)
	}
	w.checkMoved()
	if !w.opener().moves[0].KeepCC || !w.acceptor().moves[0].KeepCC {
		t.Error("what was learnt of the path is forgotten")
	}
}

// TestIdleLoss: neither end has anything to send, and step 5 is lost. The initiator
// hears it when it asks again.
func TestIdleLoss(t *testing.T) {
	everyCase(t, func(t *testing.T, v variant, initiator Role) {
		w := v.connected(t, 1)
		c, s := w.ends[initiator], w.ends[initiator.peer()]
		w.shape = lose(s.role, "ACK+Migrate", 1, 2)
		w.mustStart(c, true)
		w.runUntil("agreed", drainTime, w.agreed)
		if c.conn.done != 1 {
			t.Errorf("the initiator knows of %d migrations", c.conn.done)
		}
	})
}

// TestIdleBareACK: an ACK with the numbers of step 3 does not say that the
// responder has moved.
//
// M547: Nothing but step 5 MUST be taken for the sign that the responder has moved.
func TestIdleBareACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.shape = lose(c.role, "ACK+Migrate", every()...)
		w.mustStart(c, true)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runFor(300 * time.Millisecond)
		w.inject(packet{Segment: Segment{
			Tuple: Tuple{c.cur.Remote, c.cur.Local}, ACK: true, Seq: c.rcvNxt, Ack: c.sndNxt,
		}})
		if c.conn.Phase() != Completing || len(s.moves) > 0 {
			w.fatalf("%v", c.conn.Phase())
		}
		w.shape = nil
		w.checkMoved()
	})
}
