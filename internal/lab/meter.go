// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"sync"
	"time"
)

// meter measures gaps between arrivals. Its methods may be called concurrently.
type meter struct {
	mu     sync.Mutex
	bytes  int64
	last   time.Time // the latest arrival
	gap    time.Duration
	back   time.Time // when to expect an arrival
	resume time.Duration
	waits  bool // for the first arrival since back
}

// mark begins to measure anew.
func (m *meter) mark(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gap, m.resume, m.waits = 0, 0, false
	if m.last.IsZero() {
		m.last = now
	}
}

// expect has the time from now to the next arrival measured.
func (m *meter) expect(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back, m.waits = now, true
}

func (m *meter) arrived(now time.Time, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += int64(n)
	m.gap = max(m.gap, now.Sub(m.last))
	if m.waits {
		m.resume, m.waits = now.Sub(m.back), false
	}
	m.last = now
}

// reading is a reading of a meter.
type reading struct {
	bytes  int64
	last   time.Time     // of the latest arrival
	gap    time.Duration // the longest since the mark, with the one under way
	resume time.Duration // from the expected time to the arrival, 0 if there was none
}

func (m *meter) read(now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return reading{m.bytes, m.last, max(m.gap, now.Sub(m.last)), m.resume}
}
