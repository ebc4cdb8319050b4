// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package arrivals records when bytes of a stream arrive, and measures the gaps between.
package arrivals

import (
	"container/heap"
	"sort"
	"sync"
	"time"
)

// Arrival is one arrival of a stream.
type Arrival struct {
	At     time.Time
	Offset int64 // of its first byte
	Bytes  int
	// Gap is the time since the arrival before it, or since the mark in between.
	Gap time.Duration
}

// End returns the offset behind the last byte.
func (a Arrival) End() int64 { return a.Offset + int64(a.Bytes) }

// Recorder records the arrivals of one stream. The zero value keeps all of them. Its
// methods may be called concurrently.
type Recorder struct {
	// Limit bounds the memory for a stream of any length: the Recorder then keeps the
	// arrivals after the longest gaps, and no more of them. Zero means no limit.
	Limit int
	// MinGap is the shortest gap that a Recorder with a Limit keeps.
	MinGap time.Duration

	mu     sync.Mutex
	begun  bool
	total  int64
	last   time.Time // the latest arrival
	from   time.Time // where the present gap begins: there, or at the mark after it
	marked bool      // since the latest arrival
	kept   shortestFirst
	more   chan struct{} // closed by the next arrival; nil if nobody waits
}

// Start begins the gap before the first arrival, unless something has arrived.
func (r *Recorder) Start(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.begun {
		r.begun, r.last, r.from = true, now, now
	}
}

// Add records that n bytes arrive, or with 0 the end of the stream.
func (r *Recorder) Add(now time.Time, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keepLocked(Arrival{At: now, Offset: r.total, Bytes: n, Gap: now.Sub(r.from)})
	r.begun, r.last, r.from, r.marked = true, now, now, false
	r.total += int64(n)
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
}

func (r *Recorder) keepLocked(a Arrival) {
	switch {
	case r.Limit == 0:
		r.kept = append(r.kept, a)
	case a.Gap < r.MinGap:
	case len(r.kept) < r.Limit:
		heap.Push(&r.kept, a)
	case a.Gap > r.kept[0].Gap:
		r.kept[0] = a
		heap.Fix(&r.kept, 0)
	}
}

// Mark ends the present gap unseen and begins another at this instant, unless that has
// been done since the last arrival. It returns Total.
func (r *Recorder) Mark(now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.marked {
		r.marked, r.from = true, now
	}
	return r.total
}

// Total returns how many bytes have arrived.
func (r *Recorder) Total() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Last returns the time of the latest arrival, or the time of Start before the first
// one.
func (r *Recorder) Last() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Kept returns the arrivals that the Recorder keeps: all in their order, or the ones
// within the Limit in no order.
func (r *Recorder) Kept() []Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Limit == 0 {
		return r.kept[:len(r.kept):len(r.kept)] // it is only appended to
	}
	return append([]Arrival(nil), r.kept...)
}

// After returns the arrivals after t. The Recorder must not have a Limit.
func (r *Recorder) After(t time.Time) []Arrival {
	all := r.Kept()
	return all[sort.Search(len(all), func(i int) bool { return all[i].At.After(t) }):]
}

// Until returns how many bytes had arrived at t. The Recorder must not have a Limit.
func (r *Recorder) Until(t time.Time) int64 {
	all := r.Kept()
	if i := sort.Search(len(all), func(i int) bool { return all[i].At.After(t) }); i > 0 {
		return all[i-1].End()
	}
	return 0
}

// Since measures from t until n more bytes have arrived. It returns the longest time
// without an arrival, and the whole time. The latter is zero if the bytes have not
// arrived. The Recorder must not have a Limit.
func (r *Recorder) Since(t time.Time, n int64) (longest, took time.Duration) {
	before := r.Until(t)
	for _, a := range r.After(t) {
		longest = max(longest, min(a.Gap, a.At.Sub(t)))
		if a.End()-before >= n {
			return longest, a.At.Sub(t)
		}
	}
	return longest, 0
}

// Await waits until n bytes have arrived after t. It returns false if done is closed
// first. The Recorder must not have a Limit.
func (r *Recorder) Await(done <-chan struct{}, t time.Time, n int64) bool {
	target := r.Until(t) + n
	for {
		more := r.below(target)
		if more == nil {
			return true
		}
		select {
		case <-more:
		case <-done:
			return false
		}
	}
}

// below returns a channel that the next arrival closes, nil if total bytes are there.
func (r *Recorder) below(total int64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total >= total {
		return nil
	}
	if r.more == nil {
		r.more = make(chan struct{})
	}
	return r.more
}

// shortestFirst is a heap.Interface of arrivals, the one after the shortest gap first.
type shortestFirst []Arrival

func (h shortestFirst) Len() int           { return len(h) }
func (h shortestFirst) Less(i, j int) bool { return h[i].Gap < h[j].Gap }
func (h shortestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *shortestFirst) Push(a any)        { *h = append(*h, a.(Arrival)) }
func (h *shortestFirst) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	*h = (*h)[:last]
	return a
}
