// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// epoch is the wall-clock reading at virtual time zero. It is fixed so that
// everything derived from it (certificates, logs) repeats from run to run.
var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// monotonicBase is the monotonic reading at virtual time zero. gVisor takes
// the zero MonotonicTime for "unset" in several places, so zero is avoided.
const monotonicBase = int64(time.Hour)

// Clock is a virtual clock. Its time stands still until somebody drives it: by stepping
// ([Clock.Step], [Clock.RunFor], [Clock.RunUntil]) or in auto mode ([Clock.Start],
// [Clock.Run]). It implements tcpip.Clock.
//
// Events fire in the order of their time. Events of the same time fire in the order in
// which they were scheduled. Callbacks run one at a time on the goroutine that drives
// the clock. They may use every method of the Clock except the ones that drive it.
type Clock struct {
	driving sync.Mutex // held by the goroutine that drives the clock
	auto    autoDriver
	barrier barrier

	mu    sync.Mutex
	now   int64 // nanoseconds since epoch
	seq   uint64
	queue eventQueue
	added chan struct{} // signalled when an event is added to an empty queue
}

var _ tcpip.Clock = (*Clock)(nil)

// NewClock returns a clock at virtual time zero, 2026-01-01 00:00:00 UTC.
func NewClock() *Clock {
	return &Clock{added: make(chan struct{}, 1)}
}

// Now returns the virtual wall-clock time. It has no monotonic reading; the
// virtual wall clock is never set, so Sub and Before are exact.
func (c *Clock) Now() time.Time {
	return epoch.Add(c.Elapsed())
}

// NowMonotonic implements tcpip.Clock.
func (c *Clock) NowMonotonic() tcpip.MonotonicTime {
	return tcpip.MonotonicTime{}.Add(time.Duration(monotonicBase) + c.Elapsed())
}

// Elapsed returns the virtual time that has passed since the clock was made.
func (c *Clock) Elapsed() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.now)
}

// AfterFunc calls f after d of virtual time, on the goroutine that drives the
// clock. A d of zero or less means the current instant: f still runs as an
// event of its own, never inside AfterFunc.
func (c *Clock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &Timer{clock: c, f: f}
	t.event.task = t
	t.Reset(d)
	return t
}

// NewTimer returns a timer that sends the virtual time on its channel C after
// d. A goroutine can only block on C in auto mode.
func (c *Clock) NewTimer(d time.Duration) *Timer {
	ch := make(chan time.Time, 1)
	t := &Timer{C: ch, clock: c, ch: ch}
	t.event.task = t
	t.Reset(d)
	return t
}

// After is NewTimer for callers that never stop the timer.
func (c *Clock) After(d time.Duration) <-chan time.Time {
	return c.NewTimer(d).C
}

// Sleep blocks the calling goroutine for d of virtual time. It needs auto mode.
func (c *Clock) Sleep(d time.Duration) {
	<-c.After(d)
}

// Timer is a single future event of a [Clock].
type Timer struct {
	// C receives the virtual time at which the timer fired. It is nil for
	// timers made by AfterFunc.
	C <-chan time.Time

	clock *Clock
	event event
	f     func()
	ch    chan time.Time
}

var _ tcpip.Timer = (*Timer)(nil)

// Stop keeps the timer from firing and reports whether it was pending.
func (t *Timer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.clock.queue.remove(&t.event)
}

// Reset makes the timer fire after d, whether or not it was pending.
func (t *Timer) Reset(d time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.clock.queue.remove(&t.event)
	t.clock.pushLocked(&t.event, d)
}

func (t *Timer) fire(now time.Duration) {
	// A callback of the stack can wake any goroutine.
	t.clock.barrier.touchAll()
	if t.f != nil {
		t.f()
		return
	}
	select {
	case t.ch <- epoch.Add(now):
	default: // a reading nobody took yet is left in place, as in package time
	}
}

// schedule queues the event to fire after d.
func (c *Clock) schedule(e *event, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushLocked(e, d)
}

func (c *Clock) pushLocked(e *event, d time.Duration) {
	e.at = c.now + max(int64(d), 0)
	e.seq = c.seq
	c.seq++
	c.queue.push(e)
	if len(c.queue) == 1 {
		select {
		case c.added <- struct{}{}:
		default:
		}
	}
}

// next advances the time to the earliest event not later than limit, takes
// that event off the queue and fires it. Without such an event it reports
// false and leaves the time alone.
func (c *Clock) next(limit int64) bool {
	c.mu.Lock()
	if len(c.queue) == 0 || c.queue[0].at > limit {
		c.mu.Unlock()
		return false
	}
	e := c.queue[0]
	c.queue.remove(e)
	c.now = e.at
	c.mu.Unlock()
	e.task.fire(time.Duration(e.at))
	return true
}
