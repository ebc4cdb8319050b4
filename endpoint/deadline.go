// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// deadline is the point in time after which one direction of a connection fails
// with a timeout. Instead of a channel per deadline it has a flag that callers
// poll before they block, and the wake-up they block on anyway.
type deadline struct {
	clock tcpip.Clock
	dir   *direction

	expired atomic.Bool

	mu      sync.Mutex
	at      tcpip.MonotonicTime // when timer is to fire; zero when it is not
	timer   tcpip.Timer         // made once, then reset
	stopped bool
}

// set moves the deadline to t, or away if t is zero. It returns false, and does
// nothing, after stop.
func (d *deadline) set(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.disarmLocked()
	if t.IsZero() {
		d.expired.Store(false)
		return true
	}
	left := t.Sub(d.clock.Now())
	if left <= 0 {
		d.expireLocked()
		return true
	}
	d.expired.Store(false)
	d.at = d.clock.NowMonotonic().Add(left)
	if d.timer == nil {
		d.timer = d.clock.AfterFunc(left, d.fire)
	} else {
		d.timer.Reset(left)
	}
	return true
}

// stop makes sure that no timer runs, now or later.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	d.disarmLocked()
}

func (d *deadline) disarmLocked() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at = tcpip.MonotonicTime{}
}

// fire is called when the timer expires. Stop cannot call back a timer that has
// fired already, so it may be late for a deadline that has since been moved.
func (d *deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == (tcpip.MonotonicTime{}) || d.clock.NowMonotonic().Before(d.at) {
		return
	}
	d.expireLocked()
}

func (d *deadline) expireLocked() {
	d.at = tcpip.MonotonicTime{}
	d.expired.Store(true)
	d.dir.wake()
}

// SetDeadline sets both deadlines. A deadline applies to all calls, blocked ones
// too; once past, calls fail with an error that is an os.ErrDeadlineExceeded
// until it is moved. The zero time means none. It is measured on the clock of the
// stack.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadline(t, &c.rd.deadline, &c.wr.deadline)
}

// SetReadDeadline is SetDeadline for reading.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.rd.deadline) }

// SetWriteDeadline is SetDeadline for writing. A Write that times out may have
// sent part of the data, and says how much.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.wr.deadline) }

func (c *Conn) setDeadline(t time.Time, ds ...*deadline) error {
	for _, d := range ds {
		if !d.set(t) {
			return c.setError(errClosed)
		}
	}
	return nil
}
