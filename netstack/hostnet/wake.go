// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import "time"

const (
	// minSuspend stops a suspend too short for any NAT or peer to notice from
	// counting as one.
	minSuspend = 2 * time.Second

	// minStep stops corrections of the wall clock by NTP or by hand from counting
	// as a pause of the virtual machine.
	minStep = 30 * time.Second
)

// clocks are readings of the system's clocks at one moment.
type clocks struct {
	monotonic time.Duration // stands still in a suspend
	boot      time.Duration // does not
	wall      time.Duration // is set to the true time after a pause of the machine
}

// slept reports whether the machine was asleep between two readings. A clock that
// was set back does not say so.
func slept(before, after clocks) bool {
	awake := after.monotonic - before.monotonic
	return after.boot-before.boot-awake >= minSuspend ||
		after.wall-before.wall-awake >= minStep
}
