// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"testing"
	"time"
)

func TestSlept(t *testing.T) {
	const s = time.Second
	start := clocks{monotonic: 100 * s, boot: 500 * s, wall: 1e9 * s}
	for _, c := range []struct {
		what                  string
		monotonic, boot, wall time.Duration // passed
		want                  bool
	}{
		{"nothing", 0, 0, 0, false},
		{"time", 3600 * s, 3600 * s, 3600 * s, false},
		{"drift", 5 * s, 5*s + time.Microsecond, 5*s + time.Millisecond, false},
		{"suspend", 5 * s, 605 * s, 605 * s, true},
		{"suspend, wall clock set back", 5 * s, 605 * s, -3600 * s, true},
		{"suspend of a blink", 5 * s, 6 * s, 6 * s, false},
		{"least suspend", 0, minSuspend, 0, true},
		{"paused machine", 5 * s, 5 * s, 305 * s, true},
		{"least step", 0, 0, minStep, true},
		{"NTP step", 5 * s, 5 * s, 8 * s, false},
		{"wall clock set back", 5 * s, 5 * s, -3600 * s, false},
	} {
		after := clocks{start.monotonic + c.monotonic, start.boot + c.boot, start.wall + c.wall}
		if got := slept(start, after); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
