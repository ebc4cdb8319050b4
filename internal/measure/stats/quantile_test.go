// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package stats

import "testing"

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		q, want float64
	}{{0, 1}, {0.25, 1.75}, {0.5, 2.5}, {1, 4}} {
		if got := Quantile([]float64{4, 1, 3, 2}, tt.q); got != tt.want {
			t.Errorf("quantile %v: got %v, want %v", tt.q, got, tt.want)
		}
	}
	if got := Quantile([]float64{7}, 0.5); got != 7 {
		t.Errorf("of one value: got %v", got)
	}
}
