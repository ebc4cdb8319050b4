// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package arrivals

import (
	"slices"
	"testing"
	"time"
)

// at is an instant, in milliseconds.
func at(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }

// gap is an arrival by the offset and the gap before it.
type gap struct {
	offset int64
	ms     int
}

// gaps returns the kept gaps, in the order of the stream.
func gaps(r *Recorder) (gs []gap) {
	for _, a := range r.Kept() {
		gs = append(gs, gap{a.Offset, int(a.Gap / time.Millisecond)})
	}
	slices.SortFunc(gs, func(a, b gap) int { return int(a.offset - b.offset) })
	return gs
}

// bounded returns a Recorder with a limit that begins at 0.
func bounded(limit int) *Recorder {
	r := &Recorder{Limit: limit, MinGap: time.Millisecond}
	r.Start(at(0))
	return r
}

func TestGaps(t *testing.T) {
	r := bounded(10)
	r.Add(at(10), 100)
	r.Add(at(10), 50) // too close to count
	r.Add(at(40), 1)
	r.Add(at(45), 0) // the end
	want := []gap{{0, 10}, {150, 30}, {151, 5}}
	if got := gaps(r); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n := r.Total(); n != 151 {
		t.Errorf("%d bytes", n)
	}
}

func TestMark(t *testing.T) {
	r := bounded(10)
	r.Add(at(1), 100)
	if m := r.Mark(at(21)); m != 100 {
		t.Errorf("mark at %d", m)
	}
	r.Mark(at(31)) // nothing has arrived: it is the same gap
	r.Add(at(51), 10)
	r.Add(at(60), 10)
	want := []gap{{0, 1}, {100, 30}, {110, 9}}
	if got := gaps(r); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestLimit(t *testing.T) {
	const limit = 50
	r := bounded(limit)
	now := 0
	const extra = 20
	for i := range limit + extra {
		now += 1 + i // each longer than the one before
		r.Add(at(now), 1)
	}
	got := gaps(r)
	if len(got) != limit || got[0] != (gap{extra, extra + 1}) {
		t.Errorf("%d gaps from %v on", len(got), got[0])
	}
}

// came makes arrivals of 100 bytes each.
func came(ms ...int) *Recorder {
	r := new(Recorder)
	for _, t := range ms {
		r.Add(at(t), 100)
	}
	return r
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
		gap, took := a.Since(at(test.from), test.bytes)
		if gap != ms(test.gap) || took != ms(test.took) {
			t.Errorf("%d bytes from %d ms: gap %v, took %v, want %d and %d ms", test.bytes, test.from, gap, took, test.gap, test.took)
		}
	}
}

func TestAwait(t *testing.T) {
	a := came(0, 10)
	done := make(chan struct{})
	got := make(chan bool)
	go func() { got <- a.Await(done, at(5), 250) }()
	a.Add(at(20), 100)
	a.Add(at(30), 100)
	if !<-got {
		t.Error("what has come is not seen")
	}
	go func() { got <- a.Await(done, at(5), 301) }()
	close(done)
	if <-got {
		t.Error("what has not come is seen")
	}
}

// ms is a time in milliseconds.
func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }
