// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"testing"
	"time"
)

// ups returns that many candidates, settled for an hour and never tried.
func ups(n int, change ...func([]Candidate)) []Candidate {
	c := make([]Candidate, n)
	for i := range c {
		c[i] = Candidate{Uplink: uplinkN(i), Settled: time.Hour}
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func failed(i, n int) func([]Candidate) { return func(c []Candidate) { c[i].Failed = n } }

func settled(i int, d time.Duration) func([]Candidate) {
	return func(c []Candidate) { c[i].Settled = d }
}

func TestPolicies(t *testing.T) {
	stay := Decision{}
	for _, tt := range []struct {
		name                  string
		s                     Situation
		handover, interactive Decision
	}{
		{"nothing wrong", Situation{Uplinks: ups(2)}, stay, stay},
		{"one uplink", Situation{Uplinks: ups(1)}, stay, stay},

		{"gone", Situation{Uplinks: ups(2), Current: -1},
			Decision{Cause: PathGone}, Decision{Cause: PathGone}},
		{"gone, the best failed", Situation{Uplinks: ups(3, failed(0, 1)), Current: -1},
			Decision{Cause: PathGone, To: 1}, Decision{Cause: PathGone, To: 1}},
		{"gone, the best has a penalty", Situation{Uplinks: ups(3, settled(0, -1)), Current: -1},
			Decision{Cause: PathGone, To: 1}, Decision{Cause: PathGone, To: 1}},
		{"gone, all failed once", Situation{Uplinks: ups(2, failed(0, 1), failed(1, 1)), Current: -1},
			Decision{Cause: PathGone}, Decision{Cause: PathGone}},
		{"gone, another with a penalty is the next", Situation{Uplinks: ups(2, failed(0, 1), settled(1, -1)), Current: -1},
			Decision{Cause: PathGone, To: 1}, Decision{Cause: PathGone, To: 1}},

		{"none", Situation{Current: -1}, Decision{Cause: PathGone}, Decision{Cause: PathGone}},

		{"one time-out", Situation{Uplinks: ups(2), Unanswered: 1},
			stay, Decision{Cause: PathDead, To: 1}},
		{"three", Situation{Uplinks: ups(2), Unanswered: 3},
			Decision{Cause: PathDead, To: 0}, Decision{Cause: PathDead, To: 1}},
		{"three, in place failed", Situation{Uplinks: ups(2, failed(0, 1)), Unanswered: 3},
			Decision{Cause: PathDead, To: 1}, Decision{Cause: PathDead, To: 1}},
		{"three again after a move", Situation{Uplinks: ups(2), Unanswered: 3, Relapsed: true},
			Decision{Cause: PathDead, To: 1}, Decision{Cause: PathDead, To: 1}},
		{"one again after a move", Situation{Uplinks: ups(2), Unanswered: 1, Relapsed: true},
			Decision{Cause: PathDead, To: 1}, Decision{Cause: PathDead, To: 1}},
		{"one again after a move, one uplink", Situation{Uplinks: ups(1), Unanswered: 1, Relapsed: true}, stay, stay},
		{"one time-out, one uplink", Situation{Uplinks: ups(1), Unanswered: 1}, stay, stay},
		{"three, one uplink", Situation{Uplinks: ups(1), Unanswered: 3},
			Decision{Cause: PathDead}, Decision{Cause: PathDead}},

		{"ICMP only", Situation{Uplinks: ups(2), Unreachable: true}, stay, stay},
		{"ICMP and a time-out", Situation{Uplinks: ups(2), Unreachable: true, Unanswered: 1},
			Decision{Cause: Unreachable}, Decision{Cause: Unreachable, To: 1}},

		{"held", Situation{Uplinks: ups(2), Held: true},
			Decision{Cause: Held}, Decision{Cause: Held}},
		{"held again after a move", Situation{Uplinks: ups(2), Held: true, Relapsed: true},
			Decision{Cause: Held, To: 1}, Decision{Cause: Held, To: 1}},
		{"woke", Situation{Uplinks: ups(2), Woke: true},
			Decision{Cause: Woke}, Decision{Cause: Woke}},
		{"hint", Situation{Uplinks: ups(2), Hinted: true},
			Decision{Cause: Hint, To: 1}, Decision{Cause: Hint, To: 1}},
		{"hint, one uplink", Situation{Uplinks: ups(1), Hinted: true},
			Decision{Cause: Hint}, Decision{Cause: Hint}},
		{"hint on the last", Situation{Uplinks: ups(2), Current: 1, Hinted: true},
			Decision{Cause: Hint}, Decision{Cause: Hint}},

		{"better", Situation{Uplinks: ups(2), Current: 1},
			Decision{Cause: Preferred}, Decision{Cause: Preferred}},
		{"better, new", Situation{Uplinks: ups(2, settled(0, 100*time.Millisecond)), Current: 1},
			Decision{Again: 4900 * time.Millisecond}, Decision{Again: 900 * time.Millisecond}},
		{"better, with a penalty", Situation{Uplinks: ups(2, settled(0, -time.Second)), Current: 1},
			Decision{Again: 6 * time.Second}, Decision{Again: 2 * time.Second}},
		{"better, the second first", Situation{Uplinks: ups(3, settled(0, 0)), Current: 2},
			Decision{Cause: Preferred, To: 1}, Decision{Cause: Preferred, To: 1}},
		{"trouble comes before better", Situation{Uplinks: ups(2), Current: 1, Unanswered: 3},
			Decision{Cause: PathDead, To: 1}, Decision{Cause: PathDead, To: 0}},

		// The peer of an accepted connection can come back by itself.
		{"accepted, gone", Situation{Uplinks: ups(1), Current: -1, Accepted: true},
			Decision{Cause: PathGone}, Decision{Cause: PathGone}},
		{"accepted, better", Situation{Uplinks: ups(2), Current: 1, Accepted: true}, stay, stay},
		{"accepted, woke", Situation{Uplinks: ups(2), Woke: true, Accepted: true}, stay, stay},
		{"accepted, silent", Situation{Uplinks: ups(1), Unanswered: 9, Held: true, Unreachable: true, Accepted: true}, stay, stay},
		{"accepted, silent, two uplinks", Situation{Uplinks: ups(2), Unanswered: 9, Accepted: true},
			Decision{Cause: PathDead}, Decision{Cause: PathDead, To: 1}},
		{"accepted, each has been tried", Situation{Uplinks: ups(2, failed(0, 1), failed(1, 1)), Unanswered: 9, Accepted: true}, stay, stay},
		{"accepted, hint", Situation{Uplinks: ups(1), Hinted: true, Accepted: true},
			Decision{Cause: Hint}, Decision{Cause: Hint}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Handover(tt.s); got != tt.handover {
				t.Errorf("handover: %+v, want %+v", got, tt.handover)
			}
			if got := Interactive(tt.s); got != tt.interactive {
				t.Errorf("interactive: %+v, want %+v", got, tt.interactive)
			}
			if got := Manual(tt.s); got != stay {
				t.Errorf("manual: %+v", got)
			}
		})
	}
}

func TestCauseString(t *testing.T) {
	seen := map[string]Cause{}
	for c := None; c <= Hint; c++ {
		s := c.String()
		if o, twice := seen[s]; twice || s == "" {
			t.Errorf("%d and %d are both %q", c, o, s)
		}
		seen[s] = c
	}
	if got := Cause(99).String(); got != "Cause(99)" {
		t.Errorf("%q", got)
	}
}
