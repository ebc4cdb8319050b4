// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
)

// meter measures the gaps of a stream in the scene that is played. Its methods may be
// called concurrently.
type meter struct {
	stream arrivals.Recorder

	mu    sync.Mutex
	begin time.Time // of the scene
	back  time.Time // when to expect an arrival; zero if nothing is expected
}

// mark begins to measure anew.
func (m *meter) mark(now time.Time) {
	m.stream.Start(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begin, m.back = now, time.Time{}
}

// expect has the time from now to the next arrival measured.
func (m *meter) expect(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.back = now
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
	last := m.stream.Last()
	r := reading{bytes: m.stream.Total(), last: last, gap: now.Sub(last)}
	for _, a := range m.stream.After(m.begin) {
		r.gap = max(r.gap, a.Gap)
		if !m.back.IsZero() && r.resume == 0 && a.At.After(m.back) {
			r.resume = a.At.Sub(m.back)
		}
	}
	return r
}
