// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// TestCrossing: both ends ask at about the same time. The opener's request wins, unless
// it has been repeated. Then the end that hears first yields.
//
// M584: An opener that receives a valid request while its own first SYN has not been
// repeated yet MUST ignore it.
//
// M585: In all other cases the own attempt MUST yield to the peer's valid request.
func TestCrossing(t *testing.T) {
	for suite := range SuiteID(3) {
		for gap := -3; gap <= 3; gap++ {
			for _, keepOld := range []bool{true, false} {
				w := variant{suite, FormatKinds, 28}.connected(t, 1)
				o, a := w.opener(), w.acceptor()
				first, second := o, a
				if gap < 0 {
					first, second = a, o
				}
				w.mustStart(first, keepOld)
				w.runFor(time.Duration(max(gap, -gap)) * w.delay / 4)
				w.mustStart(second, keepOld)
				w.checkMoved()
				if err := w.over(a); err != ErrYielded {
					w.fatalf("acceptor: %v", err)
				}
				if err := w.over(o); err != nil {
					w.fatalf("opener: %v", err)
				}
				if a.counts[CountCrossedYielded] != 1 || o.counts[CountCrossedIgnored] == 0 || len(o.moves) != 1 {
					w.fatalf("%v, %v", o.counts, a.counts)
				}
				w.migrate(a)
			}
		}
	}
}

// TestCrossingRepeated: the opener's SYNs get lost.
//
// M585: In all other cases the own attempt MUST yield to the peer's valid request.
func TestCrossingRepeated(t *testing.T) {
	for suite := range SuiteID(3) {
		for _, keepOld := range []bool{true, false} {
			w := variant{suite, FormatKinds, 28}.connected(t, 1)
			o, a := w.opener(), w.acceptor()
			w.shape = lose(Opener, "SYN+Migrate", every()...)
			w.mustStart(o, keepOld)
			w.runFor(time.Millisecond)
			w.mustStart(a, keepOld)
			w.checkMoved()
			if err := w.over(o); err != ErrYielded {
				w.fatalf("opener: %v", err)
			}
			if err := w.over(a); err != nil {
				w.fatalf("acceptor: %v", err)
			}
			if o.counts[CountCrossedIgnored] != 1 || o.counts[CountCrossedYielded] != 1 {
				w.fatalf("%v", o.counts)
			}
		}
	}
}

// TestCrossingBothYield: two repeated requests that meet end each other. The connection
// stays, and the end that asks next moves it.
func TestCrossingBothYield(t *testing.T) {
	for suite := range SuiteID(3) {
		w := variant{suite, FormatKinds, 28}.connected(t, 1)
		o, a := w.opener(), w.acceptor()
		at := o.cur
		w.shape = func(p *packet) []time.Duration {
			if p.kind() == "SYN+Migrate" && (o.conn.att == nil || o.conn.att.sends == 1) {
				return drop
			}
			return pass
		}
		w.mustStart(o, true)
		w.mustStart(a, true)
		for _, e := range w.ends {
			if err := w.over(e); err != ErrYielded {
				w.fatalf("%v: %v", e.role, err)
			}
		}
		w.shape = nil
		w.checkStayed(at)
		w.migrate(a)
		w.migrate(o)
	}
}

// TestRequestWhileCompleting: the peer wants to move on while this end still
// repeats its third ACK.
//
// M586: An initiator that has moved MUST take the peer's request while it still
// repeats step 4. If the cover has not been sent it MUST ignore it.
func TestRequestWhileCompleting(t *testing.T) {
	for _, flight := range flights {
		eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
			w, c, s := inFlight(t, suite, initiator, flight)
			s.srtt = time.Second
			// After the move, no segment of either end arrives.
			w.shape = func(p *packet) []time.Duration {
				if len(c.moves) > 0 && p.kind() != "SYN+Migrate" {
					return drop
				}
				return pass
			}
			w.mustStart(c, false)
			if err := w.over(c); err != nil {
				w.fatalf("%v", err)
			}
			// As if s had seen the third ACK and wanted to go elsewhere.
			k := s.conn.keys
			tuple := Tuple{attackerTuple(s), c.cur.Local}
			syn := packet{Segment: Segment{
				Tuple: tuple, SYN: true, Seq: c.rcvNxt - 1, Len: 1, Options: sign(k, 1, c.rcvNxt-1),
			}}
			s.conn.sent = 1
			w.inject(syn)
			if flight[0] > maxUnscaled {
				// Without the cover there is no other path.
				if c.conn.Phase() != Completing || c.counts[CountCrossedIgnored] != 1 {
					w.fatalf("%v", c.conn.Phase())
				}
			} else if c.conn.Phase() != SYNReceived || !c.conn.att.moved {
				w.fatalf("%v", c.conn.Phase())
			}
			// Nothing that belongs to the current path goes to the other.
			w.seen = func(p *packet) {
				if p.kind() == "ACK+Migrate" && p.from() == c.role && p.Tuple != c.cur {
					w.fatalf("%v on the path on trial", p)
				}
			}
			w.runFor(time.Second)
			w.seen, w.shape = nil, nil
			w.checkMoved()
			if len(s.moves) != 1 {
				w.fatalf("%v", s.moves)
			}
			w.migrate(s)
		})
	}
}

// TestRequestReplacesCompletion: and it is completed.
func TestRequestReplacesCompletion(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		// s hears the third ACK, c does not hear that.
		w.shape = func(p *packet) []time.Duration {
			if p.from() == s.role && len(s.moves) > 0 && p.kind() != "SYN+Migrate" {
				return drop
			}
			return pass
		}
		w.mustStart(c, true)
		w.runUntil("responder moved", time.Second, func() bool { return len(s.moves) == 1 })
		if c.conn.Phase() != Completing {
			w.fatalf("%v", c.conn.Phase())
		}
		w.mustStart(s, true)
		w.shape = nil
		if err := w.over(s); err != nil {
			w.fatalf("%v", err)
		}
		w.checkMoved()
		if i, a := c.conn.Moves(); i != 1 || a != 1 {
			w.fatalf("%d, %d moves", i, a)
		}
	})
}
