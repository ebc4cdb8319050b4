// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// lateOn is data that the peer has sent before its last move, and that comes
// along a tuple of e.
func (e *end) lateOn(t Tuple) packet {
	return packet{Segment: Segment{Tuple: Tuple{t.Remote, t.Local}, ACK: true, Seq: e.rcvNxt - 200, Len: 10, Ack: e.sndNxt}}
}

// noResets fails the test if either end answers a segment as one that belongs to no
// connection.
func (w *world) noResets() {
	w.seen = func(p *packet) {
		if p.RST {
			w.fatalf("%v", p)
		}
	}
}

// released returns how long it takes from now on until no tuple of e drains.
func (e *end) released() time.Duration {
	w := e.w
	begin := w.now
	w.runUntil("drained", 2*maxDrainTime, func() bool { return len(e.drains) == 0 })
	return w.now.Sub(begin)
}

// TestSlowQueue moves away from a path whose queues, in both directions, take 8 s to
// get empty. The responder hears of it at once, or late, and so goes on filling one of
// them. Everything in the queues arrives at a tuple that its end knows.
//
// M623: An old tuple and its port MUST be released when no payload that counts has
// arrived there for drainTime. Twice the old path's SRTT takes its place if that is
// longer.
//
// M626: An old tuple MUST NOT be released because all data has arrived.
func TestSlowQueue(t *testing.T) {
	const queued, interval = 40, 200 * time.Millisecond
	for _, lost := range []int{0, 5} { // of step 4: the last is sent after 3 s
		everyCase(t, func(t *testing.T, v variant, initiator Role) {
			w := v.connected(t, 1)
			c, s := w.ends[initiator], w.ends[initiator.peer()]
			old := c.cur
			var free [2]Time // when the queue has room for the wire again
			third := lost
			w.shape = func(p *packet) []time.Duration {
				if from := p.from(); p.Tuple == old || p.Tuple.Local == old.Remote && p.Tuple.Remote == old.Local {
					free[from] = max(free[from], w.now).Add(interval)
					return []time.Duration{free[from].Sub(w.now)}
				}
				if third > 0 && p.from() == c.role && p.kind() == "ACK+Migrate" {
					third--
					return drop
				}
				return pass
			}
			w.noResets()
			for range queued {
				c.write(1000)
				s.write(1000)
			}
			c.srtt, s.srtt = 10*time.Millisecond, 10*time.Millisecond // from before
			w.mustStart(c, true)
			if err := w.over(c); err != nil {
				w.fatalf("%v", err)
			}
			w.runUntil("responder moved", time.Minute, func() bool { return len(s.moves) > 0 })
			if left := max(free[0], free[1]).Sub(w.now); left < drainTime {
				w.fatalf("the queue is empty in %v", left)
			}
			w.run(max(free[0], free[1]).Add(w.delay), nil)
			for _, e := range w.ends {
				if d := e.released(); d > drainTime {
					w.fatalf("%v: released %v after the last segment", e.role, d)
				}
			}
			w.checkMoved()
		})
	}
}

// TestDrainRenewed: arriving segments keep an old tuple, and nothing keeps it forever.
//
// M624: An old tuple MUST be released maxDrainTime after the move at the latest.
func TestDrainRenewed(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for _, e := range []*end{c, s} {
			old := e.cur
			w.noResets()
			w.migrate(c)
			begin := w.now
			for len(e.drains) > 0 && w.now.Sub(begin) < 2*maxDrainTime {
				w.inject(e.lateOn(old))
				w.runFor(drainTime - time.Millisecond)
			}
			if d := w.now.Sub(begin); d < maxDrainTime-2*drainTime || d > maxDrainTime+drainTime {
				w.fatalf("%v: released after %v", e.role, d)
			}
		}
	})
}

// TestDrainSlowPath: on a path with a long round-trip time there may be nothing for
// longer, and then something.
//
// M623: An old tuple and its port MUST be released when no payload that counts has
// arrived there for drainTime. Twice the old path's SRTT takes its place if that is
// longer.
func TestDrainSlowPath(t *testing.T) {
	for _, test := range []struct{ srtt, want time.Duration }{
		{0, drainTime}, {drainTime / 2, drainTime}, {drainTime, 2 * drainTime}, {maxDrainTime, maxDrainTime},
	} {
		eachSuite(t, func(t *testing.T, w *world, c, s *end) {
			c.srtt, s.srtt = test.srtt, test.srtt
			w.migrate(c)
			c.srtt, s.srtt = 0, 0 // of the new path
			for _, e := range w.ends {
				if quiet := e.conn.drains[0].until.Sub(w.now); quiet > test.want || quiet < test.want-4*w.delay {
					w.fatalf("%v: SRTT %v: waits for %v, want %v", e.role, test.srtt, quiet, test.want)
				}
			}
		})
	}
}

// TestDrainUnsettled: as long as the peer may not have moved, the tuples that it
// may send to stay, however quiet it is there. That ends in one way or another.
//
// M625: The initiator MUST keep the old tuple until it has step 5, or a request of the
// responder is completed. The last repetition of step 4 ends that, too.
func TestDrainUnsettled(t *testing.T) {
	for name, test := range map[string]struct {
		end    func(w *world, c, s *end)
		within time.Duration
	}{
		"completed": {func(w *world, c, s *end) {
			w.shape = nil
			w.runUntil("completed", time.Minute, func() bool { return c.conn.Phase() == Idle })
		}, drainTime},
		"replaced": {func(w *world, c, s *end) {
			w.shape = nil
			w.migrate(c)
		}, drainTime},
		"peer's request": {func(w *world, c, s *end) {
			w.shape = nil
			w.inject(w.third(s, c, 1, uint8(c.conn.att.counter), 0))
			if len(c.moves) != 2 {
				w.fatalf("not moved")
			}
		}, drainTime},
		"given up": {func(w *world, c, s *end) {
			w.runUntil("given up", time.Minute, func() bool { return c.conn.Phase() == Idle })
		}, drainTime},
		"plain": {func(w *world, c, s *end) {
			c.conn.GivePlain(PlainTokenCollision)
			c.settle()
		}, maxDrainTime},
	} {
		t.Run(name, func(t *testing.T) {
			eachSuite(t, func(t *testing.T, w *world, c, s *end) {
				s.srtt = maxSYNRTO // a patient responder
				w.shape = lose(c.role, "ACK+Migrate", every()...)
				old := c.cur
				w.mustStart(c, true)
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.runFor(drainTime + time.Second)
				if len(c.drains) != 1 || c.drains[0] != old {
					w.fatalf("%v drains", c.drains)
				}
				test.end(w, c, s)
				if d := c.released(); d > test.within || d < drainTime-4*w.delay {
					w.fatalf("released after %v", d)
				}
			})
		})
	}
}
