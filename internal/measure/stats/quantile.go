// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package stats

import "slices"

// Quantile interpolates between the two values around the q-quantile, for q from 0
// to 1. It sorts values, which must not be empty.
func Quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	at := q * float64(len(values)-1)
	i := int(at)
	if i == len(values)-1 {
		return values[i]
	}
	return values[i] + (at-float64(i))*(values[i+1]-values[i])
}

// Median is the quantile in the middle. It sorts values, which must not be empty.
func Median(values []float64) float64 { return Quantile(values, 0.5) }
