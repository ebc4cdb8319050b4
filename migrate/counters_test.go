// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"net/netip"
	"testing"
	"time"
)

// attackerTuple returns an address and port of e that nothing else uses.
func attackerTuple(e *end) netip.AddrPort { return netip.AddrPortFrom(host(e.role, 4), 9999) }

// TestRetries: requests whose SYNs get lost, more than there are in the window,
// do not lock an end out.
//
// M432: The initiator MUST NOT run farther than the window of M413 ahead of what it
// knows of the responder's done. At that limit it MUST use the last counter again.
func TestRetries(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		for range 3 {
			for range 2 * tokenWindow {
				w.shape = lose(c.role, "SYN+Migrate", every()...)
				w.mustStart(c, true)
				w.runFor(10 * time.Millisecond)
				c.cancel(nil)
			}
			w.shape = nil
			w.checkStayed(at)
			w.migrate(c)
			at = w.opener().cur
		}
		if c.conn.suite.rolling() && c.conn.sent > 3*tokenWindow {
			t.Errorf("%d requests", c.conn.sent)
		}
	})
}

// TestRetriesUnanswered: the SYNs arrive and the answers get lost.
//
// M402: The responder MUST keep, per connection, the highest counter done of its peer
// that it takes no more. That is the last completed request, or the one before the
// last answered if higher.
func TestRetriesUnanswered(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for range 2 * tokenWindow {
			w.shape = lose(s.role, "SYN-ACK+Migrate", every()...)
			w.mustStart(c, true)
			w.runFor(w.delay + time.Millisecond)
			c.cancel(nil)
		}
		w.shape = nil
		w.migrate(c)
		w.migrate(s)
	})
}

// TestRetriesCompletedUnheard: the responder moves each time and cannot say so:
// the worst case for the initiator's idea of where the window is.
func TestRetriesCompletedUnheard(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for range 3 * tokenWindow {
			w.shape = func(p *packet) []time.Duration {
				if p.from() == s.role && !p.SYN {
					return drop
				}
				return pass
			}
			w.mustStart(c, true)
			if err := w.over(c); err != nil {
				w.fatalf("%v", err)
			}
			w.runFor(w.delay + time.Millisecond)
		}
		if len(s.moves) != 3*tokenWindow {
			t.Errorf("%d moves", len(s.moves))
		}
		w.shape = nil
		w.migrate(c)
	})
}

// TestRetriesNeverCompleted: the responder never hears the third ACK.
//
// M433: A SYN-ACK for counter n says that the responder's done is n - 1 at least, a
// completed migration that it is n. The initiator MUST go by that.
func TestRetriesNeverCompleted(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		// Lost ones first, so that the window is used up.
		w.shape = lose(c.role, "SYN+Migrate", every()...)
		for range 2 * tokenWindow {
			w.mustStart(c, true)
			w.runFor(10 * time.Millisecond)
			c.cancel(nil)
		}
		w.shape = func(p *packet) []time.Duration {
			if p.from() == c.role && !p.SYN {
				return drop
			}
			return pass
		}
		for range 3 * tokenWindow {
			w.mustStart(c, true)
			if err := w.over(c); err != nil {
				w.fatalf("%v", err)
			}
		}
		w.shape = nil
		w.migrate(c)
	})
}

// TestReqNoWraps: more migrations than ReqNo has values, by either end.
//
// M431: The initiator MUST take a new counter for each attempt, except at the limit of
// M432.
func TestReqNoWraps(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for i := range 330 {
			w.migrate(c)
			if i%3 == 0 {
				w.migrate(s)
			}
			w.runFor(drainTime)
			w.trace = nil
		}
		if i, a := c.conn.Moves(); i != 330 || a != 110 {
			t.Errorf("%d, %d moves", i, a)
		}
		// A record from before the wrap. Its low byte is the low byte of the next
		// request.
		k := c.conn.keys
		old := packet{Segment: Segment{
			Tuple: Tuple{attacker, s.cur.Local}, SYN: true, Seq: s.rcvNxt - 1, Len: 1,
			Options: sign(k, 330+1-256, s.rcvNxt-1),
		}}
		if n := w.answers(func() { w.inject(old) }); k.suite.rolling() && (n != 0 || s.counts[CountUnknownToken] != 1) {
			t.Errorf("%d packets in answer, %v", n, s.counts)
		}
	})
}

// TestSequenceWraps: migrations all the way across the ends of both sequence
// spaces.
func TestSequenceWraps(t *testing.T) {
	for _, v := range variants {
		w := v.world(t, 1)
		o, a := w.opener(), w.acceptor()
		o.iss, a.iss = 0xfffff000, 0xffffe000
		o.connect()
		w.settleIn()
		for i := range 20 {
			w.migrate(w.ends[i%2])
			// With some of it in flight.
			w.shape = func(*packet) []time.Duration { return drop }
			o.write(1000)
			a.write(1500)
			w.shape = nil
			w.migrate(w.ends[(i+1)%2])
		}
		if o.sndNxt > 1<<20 || a.sndNxt > 1<<20 {
			t.Errorf("%v: %d, %d: no wrap", v, o.sndNxt, a.sndNxt)
		}
	}
}

// TestFullCounters follows a counter of one byte across its wrap.
func TestFullCounters(t *testing.T) {
	c := &Machine{suite: SuiteNull}
	for _, done := range []uint64{0, 1, 126, 127, 128, 200, 254, 255, 256, 1000, 1 << 40} {
		c.peerDone = done
		for ahead := range uint64(256) {
			n, ok := c.fresh(uint8(done+ahead), 0)
			if ok != (ahead >= 1 && ahead <= serialWindow) || ok && n != done+ahead {
				t.Errorf("done %d, %d ahead: %d, %v", done, ahead, n, ok)
			}
		}
	}
	c.suite = SuiteX25519SHA256
	for _, done := range []uint64{0, 255, 1 << 40} {
		c.peerDone = done
		for ahead := range uint64(10) {
			n, ok := c.fresh(0, done+ahead)
			if ok != (ahead >= 1 && ahead <= tokenWindow) || ok && n != done+ahead {
				t.Errorf("done %d, %d ahead: %d, %v", done, ahead, n, ok)
			}
		}
		if n, ok := c.fresh(0, done-1); ok {
			t.Errorf("done %d: %d is fresh", done, n)
		}
	}
}
