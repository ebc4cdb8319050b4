// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestStartErrors(t *testing.T) {
	w := usual.world(t, 1)
	o, a := w.opener(), w.acceptor()
	o.newConn()
	if err := o.start(1, true); err != ErrNotNegotiated {
		t.Errorf("before the handshake: %v", err)
	}
	w = usual.connected(t, 1)
	o, a = w.opener(), w.acceptor()
	if err := o.startOn(o.cur.Local, true, false); err != ErrSameTuple {
		t.Errorf("to where it is: %v", err)
	}
	o.immovable = true
	if err := o.start(1, true); err != ErrState {
		t.Errorf("in TIME-WAIT: %v", err)
	}
	o.immovable = false
	w.mustStart(o, true)
	if err := o.start(1, true); err != ErrBusy {
		t.Errorf("during an attempt: %v", err)
	}
	w.runUntil("request arrived", time.Second, func() bool { return a.conn.Phase() == SYNReceived })
	if err := a.start(1, true); err != ErrBusy {
		t.Errorf("with a request of the peer on hand: %v", err)
	}
	w.checkMoved()
	w.runFor(time.Minute)
	if o.sent != 1 || a.sent != 0 {
		t.Errorf("%d and %d requests counted", o.sent, a.sent)
	}
}

// TestNoAnswer: an attempt ends, after a few SYNs in growing intervals.
func TestNoAnswer(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for _, keepOld := range []bool{true, false} {
			at := w.opener().cur
			var times []Time
			w.shape = lose(c.role, "SYN+Migrate", every()...)
			w.seen = func(p *packet) {
				if p.kind() == "SYN+Migrate" {
					times = append(times, w.now)
				}
			}
			begin := w.now
			w.mustStart(c, keepOld)
			c.write(500)
			w.runFor(5 * w.delay)
			if c.gated == keepOld || (c.unsent == 0) != keepOld {
				w.fatalf("%d bytes not sent, keepOld %v", c.unsent, keepOld)
			}
			if err := w.over(c); err != ErrNoAnswer {
				w.fatalf("%v", err)
			}
			w.seen = nil
			if len(times) != maxSYNSends || c.conn.Phase() != Idle {
				w.fatalf("%d SYNs", len(times))
			}
			for i := 1; i < len(times); i++ {
				if want := synRTO(c.srtt) << (i - 1); times[i].Sub(times[i-1]) != want {
					w.fatalf("interval %d is %v", i, times[i].Sub(times[i-1]))
				}
			}
			if d := w.now.Sub(begin); d != synRTO(c.srtt)*(1<<maxSYNSends-1) {
				w.fatalf("took %v", d)
			}
			w.checkStayed(at)
		}
		if c.counts[CountNoAnswer] != 2 || c.rtt != 0 {
			t.Errorf("counted %d", c.counts[CountNoAnswer])
		}
	})
}

// TestCancel gives an attempt up at each of its steps.
func TestCancel(t *testing.T) {
	cause := errors.New("changed my mind")
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		for _, step := range []time.Duration{0, w.delay, 2*w.delay - 1} {
			w.mustStart(c, step == 0)
			w.runFor(step)
			c.cancel(cause)
			if err := c.results[len(c.results)-1]; err != cause || c.gated {
				w.fatalf("%v, gated %v", err, c.gated)
			}
			if acts := c.conn.Cancel(cause); acts != nil {
				w.fatalf("twice: %+v", acts)
			}
			w.checkStayed(at)
		}
		// The responder's SYN-ACK has been refused.
		if s.counts[CountRefused] == 0 {
			t.Error("nothing refused")
		}
		w.mustStart(c, true)
		w.runUntil("moved", time.Second, func() bool { return len(c.moves) > 0 })
		if acts := c.conn.Cancel(cause); acts != nil {
			w.fatalf("too late: %+v", acts)
		}
		w.checkMoved()
	})
}

// TestProbe finds out that a path works and stays where it is.
func TestProbe(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		at := w.opener().cur
		// More of them than the window of requests.
		for range 10 {
			if err := c.probe(1); err != nil {
				w.fatalf("%v", err)
			}
			c.write(10) // goes on along the old path
			if c.unsent > 0 {
				w.fatalf("output has stopped")
			}
			if err := w.over(c); err != nil || c.rtt != 2*w.delay {
				w.fatalf("%v after %v", err, c.rtt)
			}
			w.checkStayed(at)
		}
		w.shape = lose(c.role, "SYN+Migrate", 1)
		if err := c.probe(1); err != nil {
			w.fatalf("%v", err)
		}
		if err := w.over(c); err != nil || c.rtt != 0 {
			w.fatalf("%v: which of two SYNs took %v?", err, c.rtt)
		}
		w.shape = lose(c.role, "SYN+Migrate", every()...)
		if err := c.probe(1); err != nil {
			w.fatalf("%v", err)
		}
		if err := w.over(c); err != ErrNoAnswer {
			w.fatalf("%v", err)
		}
		w.shape = nil
		w.migrate(c)
		w.migrate(s)
	})
}

// reply returns a SYN-ACK that s has sent in answer to a request of c, which
// still waits for it.
func (w *world) reply(c, s *end) (p packet) {
	w.t.Helper()
	w.mustStart(c, true)
	shape := w.shape
	w.shape = func(q *packet) []time.Duration {
		if q.kind() == "SYN-ACK+Migrate" {
			p = *q
			return drop
		}
		return pass
	}
	w.runUntil("answered", time.Second, func() bool { return p.SYN })
	w.shape = shape
	return p
}

// TestAnswers is what an initiator makes of what comes on the path on trial.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name    string
		change  func(w *world, c *end, p *packet)
		err     error // that ends the attempt; nil if it goes on
		counter Counter
	}{
		{"SYN-ACK without Migrate: a proxy", func(_ *world, _ *end, p *packet) { p.Options = nil }, ErrNotProven, CountUnproven},
		{"Migrate twice", func(_ *world, _ *end, p *packet) { p.Options = concat(p.Options, p.Options) }, ErrNotProven, CountUnproven},
		{"wrong tag", func(_ *world, _ *end, p *packet) { p.Options[18] ^= 1 }, ErrNotProven, CountUnproven},
		{"other sequence number", func(_ *world, _ *end, p *packet) { p.Seq-- }, ErrNotProven, CountUnproven},
		{"SYN mirrored", func(_ *world, c *end, p *packet) { p.Options = c.conn.att.option }, ErrNotProven, CountUnproven},
		{"SYN mirrored with its number", func(_ *world, c *end, p *packet) {
			p.Options, p.Seq = c.conn.att.option, c.conn.att.seq
		}, ErrNotProven, CountUnproven},
		{"answer to an earlier request", func(w *world, c *end, p *packet) {
			k := w.ends[c.role.peer()].conn.keys
			r := Request{ReqNo: 0xff, Token: 5, Tag: k.synackTag(k.role, 0xff, p.Seq, 5)}
			p.Options = FormatKinds.layout().appendRequest(nil, r, 40)
		}, nil, CountBadSYNACK},
		{"SYN-ACK that acknowledges something else", func(_ *world, _ *end, p *packet) { p.Ack++ }, nil, CountBadSYNACK},
		{"SYN without ACK", func(_ *world, _ *end, p *packet) { p.ACK, p.Options = false, nil }, nil, CountBadSYNACK},
		{"RST", func(_ *world, _ *end, p *packet) { p.SYN, p.RST, p.Options = false, true, nil }, ErrPeerRefused, CountRefused},
		{"RST that acknowledges something else", func(_ *world, _ *end, p *packet) { p.RST, p.Ack = true, p.Ack+1 }, nil, CountBadSYNACK},
		{"RST without ACK", func(_ *world, _ *end, p *packet) { p.SYN, p.ACK, p.RST = false, false, true }, nil, CountBadSYNACK},
		{"step 3 ahead of the SYN-ACK", func(_ *world, _ *end, p *packet) { p.SYN, p.Seq, p.Options = false, p.Seq+1, nil }, nil, Counter(NumCounters)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			eachSuiteAndISN(t, func(t *testing.T, w *world, c, s *end) {
				at := w.opener().cur
				p := w.reply(c, s)
				p.Options = slices.Clone(p.Options)
				test.change(w, c, &p)
				w.inject(p)
				if c.trying != (test.err == nil) || !c.trying && c.results[0] != test.err {
					w.fatalf("trying %v, %v", c.trying, c.results)
				}
				for n, got := range c.counts {
					if want := Counter(n) == test.counter; (got == 1) != want || got > 1 {
						w.fatalf("counted %v %d times", Counter(n), got)
					}
				}
				if test.err != nil {
					w.checkStayed(at)
					return
				}
				if err := w.over(c); err != nil {
					w.fatalf("%v", err)
				}
				w.checkMoved()
			})
		})
	}
}

// TestImplausibleSYNACK: a peer that is right about everything but where it is
// in its own sequence space.
func TestImplausibleSYNACK(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for i, ahead := range []uint32{1, ^uint32(maxBehind)} {
			p := w.reply(c, s)
			r, _ := ParseRequest(FormatKinds, p.Options)
			p.Seq = c.rcvNxt + ahead - 1
			k := s.conn.keys
			r.Tag = k.synackTag(s.role, c.conn.att.counter, p.Seq, r.Token)
			p.Options = FormatKinds.layout().appendRequest(nil, r, 40)
			w.inject(p)
			if c.trying || c.results[i] != ErrNotProven {
				w.fatalf("%d ahead: %v", int32(ahead), c.results)
			}
			w.runFor(5 * time.Second)
		}
	})
}

// TestNeverCompleted: an initiator that has moved to a path along which nothing
// arrives at the peer, and perhaps nothing but a SYN-ACK comes back, repeats
// itself a few times, and is not stuck.
func TestNeverCompleted(t *testing.T) {
	for _, flight := range flights {
		for _, deaf := range []bool{false, true} {
			eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
				w, c, s := inFlight(t, suite, initiator, flight)
				n := 0
				w.shape = func(p *packet) []time.Duration {
					if p.from() == c.role && !p.SYN {
						if p.kind() == "ACK+Migrate" {
							n++
						}
						return drop
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
				// The first, those of the timer, and one for each SYN-ACK. With
				// data there are answers to that, too.
				if want := maxCompletions + maxSYNACKSends; n < want || n > 3*want || n > want && flight == flights[0] {
					w.fatalf("%d ACKs", n)
				}
				if c.gated || len(s.moves) > 0 || s.counts[CountPathExpired] != 1 {
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

// TestWhileCompleting is what an initiator that has moved makes of SYN-ACKs and
// RSTs on its new path.
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
		// The genuine one is, and all that has been sent since is sent again.
		c.write(10)
		var kinds []string
		w.seen = func(p *packet) { kinds = append(kinds, p.kind()) }
		w.inject(synack)
		w.seen = nil
		if !slices.Equal(kinds, []string{"ACK+Migrate", "DATA"}) {
			w.fatalf("answers %v", kinds)
		}
		// A RST is TCP's to judge.
		w.rst(c, nil)
		if !c.conn.Holding() || c.conn.Phase() != Completing {
			w.fatalf("%v", c.conn.Phase())
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

// TestCompleting: patience with a move that the peer may be about to complete
// has an end.
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
