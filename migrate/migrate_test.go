// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// connected returns a world whose ends have both confirmed, have sent some data
// and have forgotten the exchange of keys.
func (v variant) connected(t testing.TB, seed uint64) *world {
	w := v.world(t, seed)
	w.opener().connect()
	w.settleIn()
	return w
}

func (w *world) settleIn() {
	w.runUntil("confirmed", time.Second, w.confirmed)
	for _, e := range w.ends {
		e.write(1000)
	}
	w.runUntil("delivered", time.Second, w.delivered)
	for _, e := range w.ends {
		e.srtt = 2 * w.delay
	}
	w.runFor(lingerTime)
	w.trace = nil
}

// everyCase runs f for each variant and each end as initiator.
func everyCase(t *testing.T, f func(t *testing.T, v variant, initiator Role)) {
	for _, v := range variants {
		for r := range Role(2) {
			t.Run(fmt.Sprintf("%v/%d", v, r), func(t *testing.T) { f(t, v, r) })
		}
	}
}

// eachSuiteAndRole runs f for each suite and each end as initiator.
func eachSuiteAndRole(t *testing.T, f func(t *testing.T, suite SuiteID, initiator Role)) {
	for suite := range SuiteID(3) {
		for r := range Role(2) {
			t.Run(fmt.Sprintf("%v/%d", suite, r), func(t *testing.T) { f(t, suite, r) })
		}
	}
}

// eachSuite runs f for each suite and each end as initiator, connected.
func eachSuite(t *testing.T, f func(t *testing.T, w *world, c, s *end)) {
	eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, r Role) {
		w := variant{suite, FormatKinds, 28}.connected(t, 1)
		f(t, w, w.ends[r], w.ends[r.peer()])
	})
}

// eachSuiteAndISN runs f as eachSuite does, also with sequence spaces that are
// so close that the numbers of one end are plausible for the other.
func eachSuiteAndISN(t *testing.T, f func(t *testing.T, w *world, c, s *end)) {
	eachSuite(t, f)
	for name, iss := range map[string][2]uint32{"opener first": {1000, 1 << 20}, "acceptor first": {1 << 20, 1000}, "overlapping": {7, 500}} {
		t.Run(name, func(t *testing.T) {
			eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, r Role) {
				w := variant{suite, FormatKinds, 28}.world(t, 1)
				w.opener().iss, w.acceptor().iss = iss[Opener], iss[Acceptor]
				w.opener().connect()
				w.settleIn()
				f(t, w, w.ends[r], w.ends[r.peer()])
			})
		})
	}
}

// agreed reports whether both ends are on one path and nothing is pending on it.
func (w *world) agreed() bool {
	o, a := w.opener(), w.acceptor()
	return o.cur.Local == a.cur.Remote && o.cur.Remote == a.cur.Local &&
		o.conn.Phase() == Idle && a.conn.Phase() == Idle
}

// over lets time pass until e's attempt is over and returns its result.
func (w *world) over(e *end) error {
	w.t.Helper()
	w.runUntil("attempt over", 2*time.Minute, func() bool { return !e.trying })
	return e.results[len(e.results)-1]
}

// migrate lets e move, which has to succeed, and checks that both ends are there
// and data flows.
func (w *world) migrate(e *end) {
	w.t.Helper()
	w.mustStart(e, true)
	if err := w.over(e); err != nil {
		w.fatalf("%v: %v", e.role, err)
	}
	w.checkMoved()
}

// mustStart lets e ask for a migration from its next address.
func (w *world) mustStart(e *end, keepOld bool) {
	w.t.Helper()
	if err := e.start(1+byte(e.port%4), keepOld); err != nil {
		w.fatalf("%v: %v", e.role, err)
	}
}

// checkMoved checks that both ends are, or soon will be, on one path, and that
// data flows there.
func (w *world) checkMoved() {
	w.t.Helper()
	for _, e := range w.ends {
		e.write(100)
	}
	w.runUntil("both ends moved", 30*time.Second, func() bool { return w.agreed() && w.delivered() })
}

// checkStayed checks that both ends are where they were, and that data flows.
func (w *world) checkStayed(at Tuple) {
	w.t.Helper()
	w.checkMoved()
	if w.opener().cur != at {
		w.fatalf("moved to %v", w.opener().cur)
	}
}

// inject lets a packet arrive that nobody has sent.
func (w *world) inject(p packet) {
	w.logf("injected:")
	w.log(event{p: &p})
	w.deliver(&p)
}

// answers counts the packets that f makes the hosts send.
func (w *world) answers(f func()) (n int) {
	w.seen = func(*packet) { n++ }
	f()
	w.seen = nil
	return n
}

// captureSYN returns the SYN of a request of e that e gives up and nobody has
// seen.
func (w *world) captureSYN(e *end) (syn packet) {
	w.t.Helper()
	shape := w.shape
	w.shape = func(p *packet) []time.Duration {
		syn = *p
		return drop
	}
	w.mustStart(e, true)
	e.cancel(nil)
	w.shape = shape
	if syn.kind() != "SYN+Migrate" {
		w.fatalf("captured %v", &syn)
	}
	return syn
}

// attacker is an address that belongs to neither end.
var attacker = netip.MustParseAddrPort("203.0.113.66:666")

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
			w.runUntil("request arrived", time.Second, func() bool { return s.conn.Phase() == SYNReceived })
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
			if m := c.moves[0]; m.RTT != 2*w.delay || m.KeepCC || m.HasPeerRcvNxt != v.suite.rolling() {
				t.Errorf("initiator: %+v", m)
			}
			if m := s.moves[0]; m.RTT != 2*w.delay || m.KeepCC || m.HasPeerRcvNxt != v.suite.rolling() {
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

// TestIdleLoss: nobody has anything to say, and step 5 is lost: the initiator
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
