// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"sort"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
)

const (
	// minGap is the least gap that counts: the scheduler causes shorter ones.
	minGap = time.Millisecond

	// maxGaps bounds the list of gaps that a peer sends or receives.
	maxGaps = 4096
)

// Gap is a time without arrivals.
type Gap struct {
	Offset int64         `json:"offset"` // of the byte that ended it
	Length time.Duration `json:"ns"`
}

func newRecorder() *arrivals.Recorder {
	r := &arrivals.Recorder{Limit: maxGaps, MinGap: minGap}
	r.Start(time.Now())
	return r
}

// gapsOf returns the longest gaps.
func gapsOf(r *arrivals.Recorder) []Gap {
	kept := r.Kept()
	gaps := make([]Gap, len(kept))
	for i, a := range kept {
		gaps[i] = Gap{a.Offset, a.Gap}
	}
	return gaps
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
