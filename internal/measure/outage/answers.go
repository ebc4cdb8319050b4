// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"sort"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
)

// longestAnswer returns the longest wait for one of the first answers after t, which
// are n bytes. The wait for a ping from before t counts from t on.
func longestAnswer(pings, answers *arrivals.Recorder, t time.Time, n int64) (longest time.Duration) {
	before, list := answers.Until(t), answers.After(t)
	for _, p := range pings.Kept() {
		if p.End() <= before || p.End() > before+n {
			continue
		}
		i := sort.Search(len(list), func(i int) bool { return list[i].End() >= p.End() })
		if i == len(list) {
			break
		}
		from := t
		if p.At.After(t) {
			from = p.At
		}
		longest = max(longest, list[i].At.Sub(from))
	}
	return longest
}
