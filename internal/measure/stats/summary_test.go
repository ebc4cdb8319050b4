// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package stats

import "testing"

func TestSummarize(t *testing.T) {
	upTo := func(n int) (v []float64) {
		for i := n; i > 0; i-- { // not sorted
			v = append(v, float64(i))
		}
		return v
	}
	for _, tt := range []struct {
		name   string
		values []float64
		want   Summary
	}{
		{"none", nil, Summary{}},
		{"one", []float64{3}, Summary{3, 3, 3}},
		{"even", []float64{4, 1, 2, 9}, Summary{3, 9, 9}},
		{"odd", []float64{5, 1, 9}, Summary{5, 9, 9}},
		{"19", upTo(19), Summary{10, 19, 19}}, // 95 % of 19 are 18.05 values
		{"20", upTo(20), Summary{10.5, 19, 20}},
		{"100", upTo(100), Summary{50.5, 95, 100}},
	} {
		if got := Summarize(tt.values); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	v := []float64{2, 1}
	Summarize(v)
	if v[0] != 2 {
		t.Error("sorted its argument")
	}
}
