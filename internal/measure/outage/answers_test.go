// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// begin is when the streams of the tests begin.
var begin = time.Unix(1_000_000, 0)

func at(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }

// came makes arrivals of 100 bytes each.
func came(ms ...int) *arrivals.Recorder {
	a := new(arrivals.Recorder)
	for _, t := range ms {
		a.Add(at(t), 100)
	}
	return a
}

func TestLongestAnswer(t *testing.T) {
	pings := came(0, 20, 40, 60, 80, 100)
	for _, test := range []struct {
		name    string
		answers *arrivals.Recorder
		n       int64
		want    int // ms from the handover at 41
	}{
		{"those before the handover wait from it on", came(10, 121, 121, 121, 121, 121), 500, 80},
		{"those after it wait from when they were sent", came(10, 30, 50, 160, 161, 162), 400, 100},
		{"what is not asked for does not count", came(10, 30, 50, 70, 90, 1000), 300, 10},
		{"an answer in halves is there with the second", func() *arrivals.Recorder {
			a := came(10, 30)
			a.Add(at(50), 50)
			a.Add(at(61), 50)
			return a
		}(), 100, 20},
	} {
		if got := longestAnswer(pings, test.answers, at(41), test.n); stats.Milliseconds(got) != float64(test.want) {
			t.Errorf("%s: %v, want %d ms", test.name, got, test.want)
		}
	}
}
