// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/outage"
)

// TestOutage is make outage in small. Its bounds are wide, as other tests run on the
// machine: the exact ones are for make outage.
func TestOutage(t *testing.T) {
	need(t)
	const (
		rtt  = 40 * time.Millisecond
		runs = 3
		wide = 2.
		// What a handover should take for which there is no limit, in round-trip times.
		otherwise = 2.
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
			t.Logf("median %.1f ms, %.2f RTT", r.MedianMS, r.MedianRTT)
			if floor := *r.FloorRTT * r.RTTMS; r.OK > 0 && r.MinMS < floor {
				t.Errorf("an outage of %.1f ms, faster than light's %.1f ms", r.MinMS, floor)
			}
			limit := c.Limit()
			if limit == 0 {
				limit = max(*r.FloorRTT, otherwise)
			}
			if r.MedianRTT > wide*limit {
				t.Errorf("median outage %.2f RTT, want at most %.1f", r.MedianRTT, wide*limit)
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
