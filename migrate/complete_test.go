// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"slices"
	"testing"
	"time"
)

// TestNeverCompleted: an initiator has moved to a path along which nothing arrives at
// the peer. Perhaps nothing but a SYN-ACK comes back. The initiator repeats itself a
// few times, and is not stuck.
//
// M564: Until step 5 has arrived, the initiator MUST repeat step 4 by a timer, at most
// maxCompletions times.
func TestNeverCompleted(t *testing.T) {
	for _, flight := range flights {
		for _, deaf := range []bool{false, true} {
			eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
				w, c, s := inFlight(t, suite, initiator, flight)
				n, late := 0, 0
				w.shape = func(p *packet) []time.Duration {
					if p.from() == c.role && !p.SYN {
						if p.kind() == "ACK+Migrate" {
							n++
						}
						return drop
					}
					if p.Len > 0 && !p.SYN {
						late++
					}
					if deaf && p.from() == s.role && !p.SYN {
						return drop
					}
					return pass
				}
				w.mustStart(c, false)
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.runFor(2 * w.delay)
				if want := deaf && flight[0] > maxUnscaled; c.gated != want {
					w.fatalf("gated %v", c.gated)
				}
				w.runUntil("given up", 2*time.Minute, func() bool { return c.conn.Phase() == Idle })
				// These are the ACKs of the timer, the first, and the cover if that is
				// another. There is one for each segment that the responder
				// sends again along the old path.
				if want := 1 + maxCompletions; n < want || n > want+1+late {
					w.fatalf("%d ACKs, and %d segments that ask for one", n, late)
				}
				if c.gated || len(s.moves) > 0 {
					w.fatalf("gated %v, moves %v, %v", c.gated, s.moves, s.counts)
				}
				// Each is somewhere else. Either's next migration heals that.
				w.shape = nil
				if flight[1] > 0 {
					c, s = s, c
				}
				w.mustStart(c, true)
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.checkMoved()
			})
		}
	}
}

// TestWhileCompleting has SYN-ACKs and RSTs come on the new path of an initiator that
// has moved.
//
// M534: Until step 5 has come, the initiator MUST ignore RSTs without a valid Abort tag
// on the new path, and count them.
//
// M565: A repeated SYN-ACK MUST be answered by step 4 again, with the numbers and the
// nonce of the first.
func TestWhileCompleting(t *testing.T) {
	eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
		synack := w.reply(c, s)
		w.shape = lose(c.role, "ACK+Migrate", every()...)
		w.inject(synack)
		if c.conn.Phase() != Completing {
			w.fatalf("%v", c.conn.Phase())
		}
		// Forgeries are not answered.
		for _, bad := range []func(p *packet){
			func(p *packet) { p.Options = nil },
			func(p *packet) { p.Options = slices.Clone(p.Options); p.Options[18] ^= 1 },
			func(p *packet) { p.Options = slices.Clone(p.Options); p.Options[2]++ },
			func(p *packet) { p.Seq++ },
			func(p *packet) { p.ACK = false; p.Options = nil },
			func(p *packet) { p.Seq, p.Options = c.conn.att.seq, c.conn.att.option },
		} {
			p, before := synack, c.counts[CountBadSYNACK]
			bad(&p)
			if n := w.answers(func() { w.inject(p) }); n != 0 || c.counts[CountBadSYNACK] != before+1 {
				w.fatalf("%d packets in answer to %v, %v", n, &p, c.counts)
			}
		}
		// The genuine one is, also with data in flight.
		c.write(10)
		for range 2 {
			w.runFor(c.rtt / 2)
			var kinds []string
			w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
			w.inject(synack)
			w.seen = nil
			if want := []string{"ACK+Migrate"}; !slices.Equal(kinds, want) {
				w.fatalf("answers %v, want %v", kinds, want)
			}
		}
		// A RST says that the peer has not moved, and that is known.
		w.rst(c, nil)
		if c.conn.Holding() || c.conn.Phase() != Completing || c.counts[CountResetIgnored] != 1 {
			w.fatalf("%v, %v", c.conn.Phase(), c.counts)
		}
		w.shape = nil
		w.migrate(c)
	})
}

// TestStartWhileCompleting: an attempt that fails leaves the one before, whose
// third ACK has not arrived yet, where it was.
func TestStartWhileCompleting(t *testing.T) {
	for _, flight := range flights {
		for _, deaf := range []bool{false, true} {
			eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
				w, c, s := inFlight(t, suite, initiator, flight)
				s.srtt = time.Second // a patient responder
				w.shape = func(p *packet) []time.Duration {
					if !p.SYN && (p.from() == c.role || deaf) {
						return drop
					}
					return pass
				}
				w.mustStart(c, false)
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.runFor(2 * w.delay)
				if !c.conn.Completing() {
					w.fatalf("%v", c.conn.Phase())
				}
				gated := c.gated
				if want := deaf && flight[0] > maxUnscaled; gated != want {
					w.fatalf("gated %v", gated)
				}
				w.shape = func(p *packet) []time.Duration {
					if p.from() == c.role || deaf {
						return drop
					}
					return pass
				}
				for _, keepOld := range []bool{true, false} {
					w.mustStart(c, keepOld)
					w.runFor(50 * time.Millisecond)
					if c.conn.Phase() != SYNSent || c.gated != (gated || !keepOld) {
						w.fatalf("%v, gated %v", c.conn.Phase(), c.gated)
					}
					c.cancel(nil)
					if c.gated != gated {
						w.fatalf("gated %v", c.gated)
					}
				}
				w.shape = nil
				w.checkMoved()
				if len(c.moves) != 1 || len(s.moves) != 1 {
					w.fatalf("%v, %v", c.moves, s.moves)
				}
			})
		}
	}
}

// TestCompleting: an end waits for a limited time while the peer may be about to
// complete a move.
//
// M581: An end that has moved MUST wait with its next request until step 5 has come,
// or step 4 has been repeated patience times. It need not if the address is no longer
// its own.
func TestCompleting(t *testing.T) {
	w := usual.connected(t, 1)
	c := w.opener()
	if c.conn.Completing() {
		t.Error("idle")
	}
	w.shape = lose(c.role, "ACK+Migrate", every()...)
	w.mustStart(c, true)
	if c.conn.Completing() {
		t.Error("SYN sent")
	}
	w.runUntil("moved", time.Second, func() bool { return c.conn.Completing() })
	w.runUntil("patience ends", time.Minute, func() bool { return !c.conn.Completing() })
	if c.conn.Phase() != Completing {
		t.Errorf("%v", c.conn.Phase())
	}
}
