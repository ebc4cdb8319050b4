// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"container/heap"
	"slices"
	"sort"
	"sync"
	"time"
)

const (
	// minGap is the least gap that counts: the scheduler causes shorter ones. It keeps
	// the list of gaps short.
	minGap = time.Millisecond

	// maxGaps bounds the list of gaps. The longest ones are kept.
	maxGaps = 4096
)

// Gap is a time without arrivals.
type Gap struct {
	Offset int64         `json:"offset"` // of the byte that ended it
	Length time.Duration `json:"ns"`
}

// recorder notes when bytes arrive. Its lock is a leaf.
type recorder struct {
	mu     sync.Mutex
	offset int64     // how much has arrived
	last   time.Time // when, or of the mark after it
	marked int64     // where the latest mark is
	gaps   shortestFirst
}

func newRecorder(now time.Time) *recorder { return &recorder{last: now, marked: -1} }

// arrived notes that n bytes arrive, or with 0 the end of the stream.
func (r *recorder) arrived(now time.Time, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endGap(now)
	r.offset += int64(n)
}

// mark ends the present gap unseen and begins another at this instant, unless that
// was done since the last arrival. It returns how much has arrived.
func (r *recorder) mark(now time.Time) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marked != r.offset {
		r.marked, r.last = r.offset, now
	}
	return r.offset
}

func (r *recorder) endGap(now time.Time) {
	g := Gap{r.offset, now.Sub(r.last)}
	r.last = now
	if g.Length < minGap {
		return
	}
	if len(r.gaps) < maxGaps {
		heap.Push(&r.gaps, g)
	} else if g.Length > r.gaps[0].Length {
		r.gaps[0] = g
		heap.Fix(&r.gaps, 0)
	}
}

// received returns how much has arrived.
func (r *recorder) received() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.offset
}

// list returns the longest gaps.
func (r *recorder) list() []Gap {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.gaps)
}

// outages returns the outage of each move, where marks are the offsets at which they
// began, in order. Moves that began at the same offset, as nothing arrived in
// between, share theirs. It is 0 if it was too short to count.
func outages(marks []int64, gaps []Gap) []time.Duration {
	longest := make([]time.Duration, len(marks))
	for _, g := range gaps {
		// The last move that had begun, and the moves that began together with it.
		i := sort.Search(len(marks), func(i int) bool { return marks[i] > g.Offset }) - 1
		for j := i; j >= 0 && marks[j] == marks[i]; j-- {
			longest[j] = max(longest[j], g.Length)
		}
	}
	return longest
}

// shortestFirst is a heap.Interface.
type shortestFirst []Gap

func (h shortestFirst) Len() int           { return len(h) }
func (h shortestFirst) Less(i, j int) bool { return h[i].Length < h[j].Length }
func (h shortestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *shortestFirst) Push(g any)        { *h = append(*h, g.(Gap)) }
func (h *shortestFirst) Pop() any {
	last := len(*h) - 1
	g := (*h)[last]
	*h = (*h)[:last]
	return g
}
