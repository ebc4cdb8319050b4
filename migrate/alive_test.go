// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// TestOldAlive moves while both ends send, or neither does, from a path that is
// kept, given up, or dead without the initiator knowing it. The last segments on a
// path that is given up are still on their way when the request arrives.
//
// M662: The responder MUST take the old path for alive if the third ACK says that the
// initiator does. Else it MUST NOT.
//
// M663: The initiator MUST take the old path for alive if it has gone on using it, and
// SND.UNA or TS.Recent advanced since its first SYN. Else it MUST NOT.
func TestOldAlive(t *testing.T) {
	for _, test := range []struct {
		name    string
		keepOld bool
		talk    bool // each end writes every few ms
		old     time.Duration
		want    bool
	}{
		{"kept", true, true, 0, true},
		{"kept, idle", true, false, 0, false},
		{"given up", false, true, 0, false},
		{"given up, slower", false, true, 30 * time.Millisecond, false},
		{"dead", true, true, -1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachSuite(t, func(t *testing.T, w *world, c, s *end) {
				old := c.cur
				talk := func(d time.Duration) {
					for begin := w.now; w.now.Sub(begin) < d; w.runFor(2 * time.Millisecond) {
						if test.talk {
							c.write(100)
							s.write(100)
						}
					}
				}
				talk(100 * time.Millisecond)
				dead := false
				w.shape = func(p *packet) []time.Duration {
					if p.Tuple != old && p.Tuple.Remote != old.Local {
						return pass
					}
					if dead {
						return drop
					}
					return []time.Duration{test.old}
				}
				dead = test.old < 0
				if dead {
					w.runFor(2 * w.delay) // data on its way has arrived
				}
				w.mustStart(c, test.keepOld)
				talk(200 * time.Millisecond)
				for _, e := range []*end{c, s} {
					if len(e.moves) != 1 || e.moves[0].OldAlive != test.want {
						w.fatalf("%v: %+v", e.role, e.moves)
					}
				}
			})
		})
	}
}

// TestOldAliveHeld has one of the ends held, while the other goes on sending.
//
// M661: An end that is held, or whose old path is gone, MUST NOT take the old path for
// alive.
func TestOldAliveHeld(t *testing.T) {
	eachSuite(t, func(t *testing.T, w *world, c, s *end) {
		for i, held := range []*end{c, s} {
			w.rst(held, nil)
			w.mustStart(c, true)
			for len(held.moves) == i {
				held.peer().write(100)
				w.runFor(2 * time.Millisecond)
			}
			if held.moves[i].OldAlive {
				w.fatalf("%v: %+v", held.role, held.moves)
			}
			w.checkMoved()
			w.runFor(time.Minute)
		}
	})
}

// TestOldAliveSilent moves on from a path where the initiator has sent nothing: it waits for
// a window that its cover fits into. The peer sends there.
//
// M663: The initiator MUST take the old path for alive if it has gone on using it, and
// SND.UNA or TS.Recent advanced since its first SYN. Else it MUST NOT.
func TestOldAliveSilent(t *testing.T) {
	eachSuiteAndRole(t, func(t *testing.T, suite SuiteID, initiator Role) {
		w, c, s := inFlight(t, suite, initiator, [2]uint32{200_000, 0})
		s.wnd = 1000
		w.mustStart(c, false)
		w.runUntil("responder moved", time.Second, func() bool { return len(s.moves) == 1 })
		if !c.gated {
			w.fatalf("the cover has been sent")
		}
		w.mustStart(c, true)
		s.write(100)
		if err := w.over(c); err != nil {
			w.fatalf("%v", err)
		}
		if c.tsRecent == 0 || c.moves[1].OldAlive {
			w.fatalf("%+v", c.moves)
		}
	})
}
