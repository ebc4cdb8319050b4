// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"testing"
	"time"
)

// begin is when the streams of the tests begin.
var begin = time.Unix(1_000_000, 0)

func at(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }

// came makes arrivals of 100 bytes each.
func came(ms ...int) *arrivals {
	a := newArrivals()
	for _, t := range ms {
		a.add(at(t), 100)
	}
	return a
}

func TestSince(t *testing.T) {
	a := came(0, 10, 50, 51, 52, 90, 91)
	for _, test := range []struct {
		from      int
		bytes     int64
		gap, took int // ms
	}{
		{from: 12, bytes: 100, gap: 38, took: 38}, // not from the arrival before
		{from: 12, bytes: 300, gap: 38, took: 40},
		{from: 12, bytes: 301, gap: 38, took: 78},
		{from: 50, bytes: 300, gap: 38, took: 40}, // the longest is not the first
		{from: 51, bytes: 50, gap: 1, took: 1},
		{from: 12, bytes: 501, gap: 38, took: 0}, // have not come
		{from: 100, bytes: 1, gap: 0, took: 0},
	} {
		gap, took := a.since(at(test.from), test.bytes)
		if ms(gap) != float64(test.gap) || ms(took) != float64(test.took) {
			t.Errorf("%d bytes from %d ms: gap %v, took %v, want %d and %d ms", test.bytes, test.from, gap, took, test.gap, test.took)
		}
	}
}

func TestLongestAnswer(t *testing.T) {
	pings := came(0, 20, 40, 60, 80, 100)
	for _, test := range []struct {
		name    string
		answers *arrivals
		n       int64
		want    int // ms from the handover at 41
	}{
		{"those before the handover wait from it on", came(10, 121, 121, 121, 121, 121), 500, 80},
		{"those after it wait from when they were sent", came(10, 30, 50, 160, 161, 162), 400, 100},
		{"what is not asked for does not count", came(10, 30, 50, 70, 90, 1000), 300, 10},
		{"an answer in halves is there with the second", func() *arrivals {
			a := came(10, 30)
			a.add(at(50), 50)
			a.add(at(61), 50)
			return a
		}(), 100, 20},
	} {
		if got := longestAnswer(pings, test.answers, at(41), test.n); ms(got) != float64(test.want) {
			t.Errorf("%s: %v, want %d ms", test.name, got, test.want)
		}
	}
}

func TestAwait(t *testing.T) {
	a := came(0, 10)
	done := make(chan struct{})
	got := make(chan bool)
	go func() { got <- a.await(done, at(5), 250) }()
	a.add(at(20), 100)
	a.add(at(30), 100)
	if !<-got {
		t.Error("what has come is not seen")
	}
	go func() { got <- a.await(done, at(5), 301) }()
	close(done)
	if <-got {
		t.Error("what has not come is seen")
	}
}
