// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/outage"
)

// TestOutage is make outage in small. Other tests run on the machine meanwhile, so
// its bounds are wide, and for the best run only.
func TestOutage(t *testing.T) {
	need(t)
	const (
		rtt  = 40 * time.Millisecond
		runs = 3
		wide = 2.
		// The limit of cells without one, in round-trip times. A busy machine may cause
		// one retransmission time-out of 200 ms, but not a second one.
		otherwise = 4.
	)
	cells := outage.Cells([]time.Duration{rtt},
		[]outage.Mode{outage.BreakBeforeMake, outage.MakeBeforeBreak},
		[]outage.Direction{outage.Download, outage.Upload, outage.Interactive})
	for _, c := range cells {
		t.Run(c.String(), func(t *testing.T) {
			rows, err := outage.Measure(t.Context(), outage.Config{
				Cells:  []outage.Cell{c},
				Runs:   runs,
				Failed: func(_ outage.Cell, err error) { t.Error(err) },
			})
			if err != nil {
				t.Fatal(err)
			}
			r := rows[0]
			t.Logf("median %.1f ms, best %.1f ms", r.MedianMS, r.MinMS)
			limit := c.Limit()
			if limit == 0 {
				limit = max(*r.FloorRTT, otherwise)
			}
			if best := r.MinMS / r.RTTMS; best > wide*limit {
				t.Errorf("the best of %d outages is %.2f RTT, want at most %.1f", runs, best, wide*limit)
			}
		})
	}
}

// TestOutageOfMany has a hundred connections move at once.
func TestOutageOfMany(t *testing.T) {
	need(t)
	const (
		connections = 100
		bound       = 5 * time.Second // two rounds of attempts take 0.1 s
	)
	rows, err := outage.Measure(t.Context(), outage.Config{Connections: connections})
	if err != nil {
		t.Fatal(err)
	}
	r := rows[0]
	t.Logf("last after %.0f ms, %.2f s of CPU", *r.LastMS, *r.CPUSeconds)
	if r.OK != connections {
		t.Errorf("%d of %d connections have moved", r.OK, connections)
	}
	if *r.LastMS > float64(bound.Milliseconds()) {
		t.Errorf("the last has moved after %.0f ms, want at most %v", *r.LastMS, bound)
	}
}
