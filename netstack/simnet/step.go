// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"math"
	"time"
)

// drive makes the caller the driver of the clock, until release.
func (c *Clock) drive() (release func()) {
	if !c.driving.TryLock() {
		panic("simnet: the clock is driven already")
	}
	return c.driving.Unlock
}

// Step fires the next event, waits until the stacks have processed it, and
// reports whether there was one. It must not be mixed with auto mode.
func (c *Clock) Step() bool {
	defer c.drive()()
	c.settleAll()
	fired := c.next(math.MaxInt64)
	c.barrier.settle()
	return fired
}

// RunFor lets d of virtual time pass, stepping through its events.
func (c *Clock) RunFor(d time.Duration) {
	defer c.drive()()
	end := int64(c.Elapsed()) + int64(d)
	c.settleAll()
	for c.next(end) {
		c.barrier.settle()
	}
	c.advance(end)
}

// RunUntil steps until cond is true, but for no longer than limit of virtual
// time, and returns cond's last value. cond is called at once and then after
// every event; it may use the stacks, with calls that don't block.
//
// If cond stays false, the time afterwards is exactly limit later.
func (c *Clock) RunUntil(cond func() bool, limit time.Duration) bool {
	defer c.drive()()
	end := int64(c.Elapsed()) + int64(limit)
	c.settleAll()
	for !cond() {
		c.settleAll() // the effects of cond belong to this instant
		if !c.next(end) {
			c.advance(end)
			return cond()
		}
		c.barrier.settle()
	}
	return true
}

// settleAll waits for all stacks: callers may have used any of them.
func (c *Clock) settleAll() {
	c.barrier.touchAll()
	c.barrier.settle()
}

// advance sets the time to end, which no pending event may precede.
func (c *Clock) advance(end int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = end
}
