// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// flights are how much the initiator and the responder have in flight on the
// old path, which loses it.
var flights = [][2]uint32{{0, 0}, {1000, 2000}, {200_000, 0}, {0, 200_000}, {200_000, 300_000}}

// inFlight returns a world in which c is about to move and much has been lost.
func inFlight(t *testing.T, suite SuiteID, initiator Role, flight [2]uint32) (w *world, c, s *end) {
	w = variant{suite, FormatKinds, 28}.connected(t, 1)
	c, s = w.ends[initiator], w.ends[initiator.peer()]
	w.shape = func(*packet) []time.Duration { return drop }
	c.write(flight[0])
	s.write(flight[1])
	w.shape = nil
	return w, c, s
}

// TestMigrateFaults lets something happen to each of the packets of a
// migration in turn.
func TestMigrateFaults(t *testing.T) {
	faults := map[string][]time.Duration{
		"lost":       drop,
		"duplicated": {0, 0},
		"echoed":     {0, time.Second},
		"late":       {300 * time.Millisecond},
		"overtaken":  {time.Millisecond},
	}
	eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
		for fault, fate := range faults {
			for _, flight := range flights {
				for nth := 1; nth <= 9; nth++ {
					w, c, s := inFlight(t, suite, initiator, flight)
					n := 0
					w.shape = func(p *packet) []time.Duration {
						if p.Tuple == s.cur || p.Tuple == c.cur && len(c.moves) == 0 {
							return drop // the old path is dead
						}
						if n++; n == nth {
							return fate
						}
						return pass
					}
					w.logf("%s, packet %d, %v in flight", fault, nth, flight)
					w.mustStart(c, nth%2 == 0)
					if err := w.over(c); err != nil {
						w.fatalf("%v", err)
					}
					w.shape = nil
					w.checkMoved()
				}
			}
		}
	})
}

// TestCover: nothing goes along the new path beyond the window that has come there.
// First this is the unscaled window of the SYN-ACK, then the window of step 3 or 5. The
// responder's window moves as data along the old path arrives.
//
// M543: With more than 65,535 bytes in flight, the initiator MUST send its ACK at
// seq=Cuna first, and then MUST be silent until the cover.
func TestCover(t *testing.T) {
	losses := []string{"", "SYN+Migrate", "SYN-ACK+Migrate", "ACK", "ACK+Migrate"}
	eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
		for _, flight := range flights {
			for _, loss := range losses {
				for _, keepOld := range []bool{false, true} {
					w, c, s := inFlight(t, suite, initiator, flight)
					s.wnd = 300_000
					old := c.cur
					w.logf("%v in flight, %q lost, keep old path %v", flight, loss, keepOld)
					w.shape = lose(s.role, loss, 1)
					if loss == "ACK+Migrate" {
						w.shape = lose(c.role, loss, 1, 2)
					}
					type window struct {
						at   Time // of its arrival
						edge uint32
					}
					var windows []window
					edge := c.sndUna + maxUnscaled
					w.seen = func(p *packet) {
						if p.Tuple.Local == old.Local || p.Tuple.Remote == old.Local || p.RST {
							return
						}
						if p.from() == s.role {
							if !p.SYN {
								windows = append(windows, window{w.now.Add(w.delay), s.rcvNxt + s.wnd})
							}
							return
						}
						for len(windows) > 0 && windows[0].at <= w.now {
							edge = windows[0].edge
							windows = windows[1:]
						}
						if !leq(p.Seq+p.Len, edge) {
							w.fatalf("%d bytes beyond the window", p.Seq+p.Len-edge)
						}
					}
					w.mustStart(c, keepOld)
					for i := 0; keepOld && c.trying; i++ {
						w.runFor(w.delay / 5)
						if c.sndNxt-s.rcvNxt < s.wnd/2 && i < 20 {
							c.write(s.wnd / 3)
						}
					}
					if err := w.over(c); err != nil {
						w.fatalf("%v", err)
					}
					w.checkMoved()
					w.seen = nil
				}
			}
		}
	})
}

// TestStep3 comes only towards windows that need it.
//
// M524: Step 3 MUST be sent if the responder's window reaches beyond Cuna + 65,535,
// else not.
func TestStep3(t *testing.T) {
	for wnd, want := range map[uint32]int{0: 0, maxUnscaled: 0, maxUnscaled + 1: 1, 1 << 30: 1} {
		w := usual.connected(t, 1)
		c, s := w.opener(), w.acceptor()
		s.wnd = wnd
		n := 0
		w.seen = func(p *packet) {
			if p.from() == s.role && p.kind() == "ACK" && len(c.moves) == 0 {
				n++
				if p.Seq != s.sndUna || p.Ack != c.sndUna {
					w.fatalf("%v", p)
				}
			}
		}
		w.migrate(c)
		if n != want {
			t.Errorf("window %d: %d bare ACKs before the move", wnd, n)
		}
	}
}

// TestForgedWindow: an attacker who only knows the tuple cannot make an initiator send
// data that the path does not carry yet.
//
// M544: The initiator MUST send the cover when a scaled window that reaches it (step 3
// or 5) has arrived behind the SYN-ACK.
func TestForgedWindow(t *testing.T) {
	eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
		w, c, s := inFlight(t, suite, initiator, [2]uint32{200_000, 0})
		w.shape = func(p *packet) []time.Duration {
			if p.SYN {
				return pass
			}
			return drop
		}
		w.mustStart(c, false)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		w.runFor(w.delay)
		good := packet{Segment: Segment{
			Tuple: Tuple{c.cur.Remote, c.cur.Local}, ACK: true, Seq: c.rcvNxt, Ack: c.conn.att.seq + 1, Window: 200_000,
		}}
		for _, bad := range []func(p *packet){
			func(p *packet) { p.Window-- },
			func(p *packet) { p.ACK = false },
			func(p *packet) { p.Ack = c.sndNxt + 1 },
			func(p *packet) { p.Ack--; p.Window++ },
			func(p *packet) { p.Seq -= 2 },
			func(p *packet) { p.Seq += maxBehind + 1 },
		} {
			p := good
			bad(&p)
			if w.inject(p); !c.gated || c.conn.att.covered {
				w.fatalf("believed")
			}
		}
		if w.inject(good); c.gated || c.conn.Phase() != Completing || len(s.moves) > 0 {
			w.fatalf("gated %v", c.gated)
		}
		w.shape = nil
		w.checkMoved()
	})
}
