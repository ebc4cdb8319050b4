// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"context"
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// Auto mode advances time whenever nothing else in the process can run. These
// constants say how it waits for that, in real time.
const (
	// yieldsBeforeSleep bounds the busy part of the wait: an event is usually
	// processed within a few microseconds, which is shorter than any sleep.
	yieldsBeforeSleep = 64
	// minPause and maxPause bound the sleep between two looks at a process that stays
	// busy. So a long computation costs next to no CPU here, and a short one little
	// delay.
	minPause = 20 * time.Microsecond
	maxPause = time.Millisecond
	// syscallGrace is how long time waits for a goroutine in a system call, such as
	// writing a log line. After that, the goroutine is taken for blocked, like one that
	// reads the terminal. On a machine with other work, even a short call can last
	// long. If time ran on meanwhile, connections would time out.
	syscallGrace = 200 * time.Millisecond
)

// leap is how far time may go, in virtual time, before the process is looked at with
// more care. That takes a sleep, which is too much for each packet, but a time-out must
// not come too early: nothing puts that right again. TCP's are 200 ms and more.
const leap = 100 * time.Millisecond

// autoTurn is held by the driver that looks for quiescence. Two clocks in auto mode
// would otherwise each see the other one running, forever.
var autoTurn = make(chan struct{}, 1)

type autoDriver struct {
	mu   sync.Mutex
	stop context.CancelFunc // nil unless started
	done chan struct{}
}

// Start begins auto mode on a goroutine of its own: whenever every other
// goroutine of the process is blocked, the next event fires. Call Stop to end
// it. It panics if the clock is driven already.
func (c *Clock) Start() {
	c.auto.mu.Lock()
	defer c.auto.mu.Unlock()
	release := c.drive()
	ctx, cancel := context.WithCancel(context.Background())
	c.auto.stop, c.auto.done = cancel, make(chan struct{})
	go func(done chan<- struct{}) {
		defer close(done)
		defer release()
		c.run(ctx)
	}(c.auto.done)
}

// Stop ends auto mode and waits for its end. Time then stands still; timers stay
// pending. Without a Start it does nothing. It must not be called from a callback of
// the clock.
func (c *Clock) Stop() {
	c.auto.mu.Lock()
	defer c.auto.mu.Unlock()
	if c.auto.stop == nil {
		return
	}
	c.auto.stop()
	<-c.auto.done
	c.auto.stop, c.auto.done = nil, nil
}

// Run drives the clock in auto mode on the calling goroutine until ctx is done
// and returns ctx's cause.
func (c *Clock) Run(ctx context.Context) error {
	defer c.drive()()
	c.run(ctx)
	return context.Cause(ctx)
}

func (c *Clock) run(ctx context.Context) {
	q := newQuiescence()
	for ctx.Err() == nil {
		select {
		case autoTurn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		more := q.wait(ctx)
		if more && (!c.leaps() || q.rests()) {
			more = c.fireUntilTouched()
		}
		<-autoTurn
		if more {
			continue
		}
		select {
		case <-c.added:
		case <-ctx.Done():
			return
		}
	}
}

// fireUntilTouched fires events up to and including the first that may have woken a
// goroutine, or the last before a leap. Hops between routers need no new look at the
// process. It reports false when it runs out of events.
func (c *Clock) fireUntilTouched() bool {
	c.barrier.touched = false
	for {
		if !c.next(math.MaxInt64) {
			return false
		}
		if c.barrier.touched || c.leaps() {
			return true
		}
	}
}

// leaps reports whether the next event is far away.
func (c *Clock) leaps() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0 && c.queue[0].at-c.now > int64(leap)
}

// quiescence decides whether the process is at rest. The caller is then the only
// goroutine that runs, and none waits for a processor. None is in a system call, except
// the ones that are known to be stuck there.
type quiescence struct {
	samples [3]metrics.Sample
	stuck   uint64 // goroutines in system calls that are not waited for
}

func newQuiescence() *quiescence {
	q := &quiescence{}
	q.samples[0].Name = "/sched/goroutines/running:goroutines"
	q.samples[1].Name = "/sched/goroutines/runnable:goroutines"
	q.samples[2].Name = "/sched/goroutines/not-in-go:goroutines"
	return q
}

// look returns whether no goroutine but the caller's has Go code to execute, and how
// many are in system calls. The runtime counts a processor that still searches for work
// as running, so a goroutine in transit is not missed.
//
// A goroutine that stops the world is missed, such as one whose allocation begins a
// garbage collection. Its processor counts as stopped as soon as it begins to wait for
// the others. Gosched takes part in that, so the second look comes when it is over.
//
// Gosched also has another processor look for work, which then counts as running. So an
// idle process may look busy, but a busy one never looks idle.
func (q *quiescence) look() (idle bool, syscalls uint64) {
	if idle, syscalls = q.nobodyRuns(); !idle {
		return false, syscalls
	}
	runtime.Gosched()
	return q.nobodyRuns()
}

func (q *quiescence) nobodyRuns() (quiet bool, syscalls uint64) {
	metrics.Read(q.samples[:])
	return q.samples[0].Value.Uint64() <= 1 && q.samples[1].Value.Uint64() == 0, q.samples[2].Value.Uint64()
}

// rests looks again after a sleep. The collector makes a goroutine wait that allocates
// too fast, as if it were blocked. It does so even while the collector itself pauses to
// let others run. It does not pause when the caller sleeps, too.
func (q *quiescence) rests() bool {
	time.Sleep(minPause)
	idle, syscalls := q.look()
	return idle && syscalls <= q.stuck
}

// wait returns true once the process is at rest, false if ctx ends first. It
// cannot hang by itself: it waits as long as somebody else is busy.
func (q *quiescence) wait(ctx context.Context) bool {
	pause := minPause
	// How long the process has been at rest but for system calls, less how long it was
	// busy since. On a busy machine, a processor that looks for work and finds none can
	// do so for long, and often.
	var rested time.Duration
	last := time.Now()
	for i := 0; ; i++ {
		quiet, syscalls := q.nobodyRuns()
		if quiet && syscalls <= q.stuck {
			if idle, syscalls := q.look(); idle && syscalls <= q.stuck {
				q.stuck = syscalls
				return true
			}
		}
		now := time.Now()
		passed := now.Sub(last)
		last = now
		if !quiet {
			rested = max(rested-passed, 0)
		} else if rested += passed; rested > syscallGrace {
			q.stuck = syscalls
			return true
		}
		if i < yieldsBeforeSleep {
			runtime.Gosched()
			continue
		}
		if ctx.Err() != nil {
			return false
		}
		time.Sleep(pause)
		pause = min(2*pause, maxPause)
	}
}
