// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"net/netip"
	"testing"
	"time"
)

// TestDrainsBounded: a connection that moves faster than tuples drain holds a
// bounded number of them. end.settle checks the bound at each step.
//
// M628: A connection MUST hold at most maxDrains old tuples. The one that it left
// first is released.
func TestDrainsBounded(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for range 3 * maxDrains {
			w.migrate(c)
		}
		if len(c.drains) != maxDrains || len(s.drains) != maxDrains {
			t.Errorf("%d and %d drain", len(c.drains), len(s.drains))
		}
		// The oldest go first.
		if c.drains[maxDrains-1].Remote != c.cur.Remote || c.drains[0] == c.drains[1] {
			t.Errorf("%v", c.drains)
		}
		begin := w.now
		w.runUntil("drained", drainTime+time.Second, func() bool { return len(c.drains)+len(s.drains) == 0 })
		if d := w.now.Sub(begin); d > drainTime {
			t.Errorf("took %v", d)
		}
	})
}

// TestDrain takes late data, which does not move anything; and nothing else.
//
// M621: An end MUST NOT send anything on an old tuple after the move.
//
// M622: Late segments on an old tuple bring data. Their acknowledgements, windows,
// resets and ICMP errors MUST NOT count.
func TestDrain(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for _, e := range []*end{c, s} {
			old := Tuple{e.cur.Remote, e.cur.Local}
			w.migrate(c)
			at, before := e.cur, e.rcvNxt
			var answers []string
			w.seen = func(p *packet) {
				answers = append(answers, p.kind())
				if p.Tuple != at {
					w.fatalf("%v on the old path", p)
				}
			}
			late := packet{Segment: Segment{Tuple: old, ACK: true, Seq: e.rcvNxt, Ack: e.sndNxt}}
			for i := range e.conn.drains {
				e.conn.drains[i].end = e.rcvNxt + 400 // as if the peer had sent so much there
			}
			for _, change := range []func(p *packet){
				func(p *packet) {},
				func(p *packet) { p.SYN, p.Len = true, 1 },
				func(p *packet) { p.RST = true },
			} {
				p := late
				change(&p)
				w.inject(p)
			}
			if len(answers) > 0 || e.rcvNxt != before || e.conn.Holding() {
				w.fatalf("answers %v", answers)
			}
			late.Len = 400
			w.inject(late)
			if len(answers) != 1 || e.rcvNxt != before+400 || e.cur != at {
				w.fatalf("answers %v, %d bytes arrived", answers, e.rcvNxt-before)
			}
			w.seen = nil
			e.peer().sndNxt += 400 // as if it had been the peer's
			e.peer().sndUna += 400
		}
	})
}

// TestReturn goes back to a tuple that still drains.
func TestReturn(t *testing.T) {
	everyCase(t, func(t *testing.T, v variant, initiator Role) {
		w := v.connected(t, 1)
		c, s := w.ends[initiator], w.ends[initiator.peer()]
		home := c.cur.Local
		for i := range 5 {
			w.migrate(c)
			w.runFor(drainTime / 3)
			if err := c.startOn(home, true, false); err != nil {
				w.fatalf("%v", err)
			}
			if err := w.over(c); err != nil || c.cur.Local != home {
				w.fatalf("%v", err)
			}
			w.checkMoved()
			// It drains anew when it is left again, and is not released before.
			w.runFor(drainTime / 3)
			w.migrate(c)
			w.runFor(drainTime - drainTime/3)
			for _, e := range []*end{c, s} {
				if len(e.drains) == 0 {
					w.fatalf("round %d: %v: nothing drains", i, e.role)
				}
			}
			w.runFor(drainTime)
		}
	})
}

// TestReturnFails: a path that was on trial does not drain again.
func TestReturnFails(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		home := c.cur.Local
		w.migrate(c)
		w.shape = func(p *packet) []time.Duration {
			if p.SYN && p.ACK {
				return drop
			}
			return pass
		}
		if err := c.startOn(home, true, false); err != nil {
			w.fatalf("%v", err)
		}
		w.runFor(50 * time.Millisecond)
		c.cancel(nil)
		w.runFor(50 * time.Millisecond)
		if len(c.drains) != 0 || len(s.drains) != 1 { // nothing happens at the responder
			w.fatalf("%v, %v", c.drains, s.drains)
		}
		w.shape = nil
		w.runFor(time.Minute)
		w.migrate(c)
	})
}

// TestClosed: a machine that has been closed in any state emits nothing.
//
// M627: A connection that is gone MUST have no old tuples either.
func TestClosed(t *testing.T) {
	moments := map[string]func(w *world, c, s *end){
		"idle":     func(*world, *end, *end) {},
		"SYN sent": func(w *world, c, s *end) { w.mustStart(c, false) },
		"SYN answered": func(w *world, c, s *end) {
			w.mustStart(s, true)
			w.runUntil("answer", time.Second, func() bool { return len(c.conn.syns) > 0 })
		},
		"completing": func(w *world, c, s *end) {
			w.mustStart(c, true)
			w.runUntil("moved", time.Second, func() bool { return c.conn.Phase() == Completing })
		},
		"draining": func(w *world, c, s *end) { w.migrate(s); w.migrate(c) },
		"held":     func(w *world, c, s *end) { w.rst(c, nil) },
	}
	for name, prepare := range moments {
		t.Run(name, func(t *testing.T) {
			eachSuite(t, func(t *testing.T, w *world, c, s *end) {
				prepare(w, c, s)
				k := c.conn.keys
				c.close(nil)
				m := c.conn
				if m.State() != Plain || m.Reason() != PlainClosed || m.Phase() != Idle || m.Holding() || m.Watching() || m.WantsACKs() {
					t.Errorf("%v, %v, %v", m.State(), m.Reason(), m.Phase())
				}
				if at, ok := m.Deadline(); ok || m.Tokens() != nil || m.Verifier() != nil || c.table.Len() != 0 {
					t.Errorf("deadline %v, tokens %v", at, m.Tokens())
				}
				if acts := m.Timer(w.now.Add(time.Hour), TCB{}); len(acts) != 0 {
					t.Errorf("Timer: %+v", acts)
				}
				tcb := TCB{Movable: true}
				if _, err := m.Start(w.now, tuple(1, 2), tuple(3, 4), tcb, true); err != ErrNotNegotiated {
					t.Errorf("Start: %v", err)
				}
				if acts := m.SYN(w.now, tuple(1, 2), tuple(3, 4), Request{ReqNo: 1, Token: k.token(k.role, 1)}, 1, 0, 0, tcb); len(acts) != 1 || acts[0].Kind != ActCount {
					t.Errorf("SYN: %+v", acts)
				}
				seg := Segment{Tuple: c.cur, ACK: true}
				if acts, consumed := m.Segment(w.now, seg, c.cur, tcb); len(acts) != 0 || consumed {
					t.Errorf("Segment: %+v", acts)
				}
				if m.ACKOption(nil, 40, 0, tcb) != nil || m.SYNOption(nil, 40) != nil || m.AbortOption(nil, 40, 0) != nil {
					t.Error("options")
				}
				if m.PeerACK(w.now, 0, keyRest(1), TCB{}) || m.Cancel(nil) != nil || m.BindKey(nil) != ErrNotNegotiated {
					t.Error("goes on")
				}
				if acts, closes := m.Reset(w.now, nil, 0, nil, true, tcb); len(acts) != 0 || !closes {
					t.Errorf("Reset: %+v", acts)
				}
				w.runFor(time.Minute)
			})
		})
	}
}

// TestGivePlainAmid ends the negotiation under a migration, as a collision of
// tokens would.
func TestGivePlainAmid(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		w.mustStart(c, false)
		w.runFor(w.delay)
		for _, e := range w.ends {
			e.conn.GivePlain(PlainTokenCollision)
			e.trying, e.path, e.gated = false, nil, false
			e.settle()
			if e.conn.Reason() != PlainTokenCollision {
				t.Errorf("%v", e.conn.Reason())
			}
		}
		w.runFor(time.Minute)
		if len(c.moves)+len(s.moves) != 0 {
			t.Error("moved")
		}
	})
}

// TestOnlyPorts finds out which knowledge of a path may be kept.
func TestOnlyPorts(t *testing.T) {
	base := Tuple{netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")}
	for _, test := range []struct {
		local, remote string
		want          bool
	}{
		{"192.0.2.1:1", "192.0.2.2:2", true},
		{"192.0.2.1:3", "192.0.2.2:4", true},
		{"192.0.2.3:1", "192.0.2.2:2", false},
		{"192.0.2.1:1", "192.0.2.3:2", false},
		{"[2001:db8::1]:1", "[2001:db8::2]:2", false},
	} {
		other := Tuple{netip.MustParseAddrPort(test.local), netip.MustParseAddrPort(test.remote)}
		if onlyPorts(base, other) != test.want {
			t.Errorf("onlyPorts(%v, %v) = %v", base, other, !test.want)
		}
	}
}
