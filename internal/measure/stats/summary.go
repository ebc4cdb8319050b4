// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package stats sums up measured values.
package stats

import (
	"slices"
	"time"
)

// Summary sums up a number of measured values. It is zero if there are none.
type Summary struct {
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
}

// Summarize returns the median (the mean of the two middle values if their number
// is even), the 95th percentile (nearest rank) and the maximum.
func Summarize(values []float64) Summary {
	n := len(values)
	if n == 0 {
		return Summary{}
	}
	v := slices.Sorted(slices.Values(values))
	rank := (95*n + 99) / 100 // the least share of values that is not below 95 %
	return Summary{
		Median: (v[(n-1)/2] + v[n/2]) / 2,
		P95:    v[rank-1],
		Max:    v[n-1],
	}
}

// Milliseconds returns d in milliseconds.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
