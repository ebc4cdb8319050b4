// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// The second round was three times slower for both. So the median of the ratios differs
// from the ratio of the medians.
func TestSummarize(t *testing.T) {
	speed, held, only := key{"A", "MB/s"}, key{"B", "client-B/conn"}, key{"C", "ns/op"}
	base := &series{name: "base", rounds: []results{
		{speed: 100, held: 5000}, {speed: 30, held: 5000}, {speed: 110, held: 5000},
	}}
	other := &series{name: "other", rounds: []results{
		{speed: 50, held: 5600, only: 0.00002}, {speed: 15, held: 5600}, {speed: 55, held: 5600},
	}}
	var out strings.Builder
	summarize(&out, []*series{base, other})

	want := [][]string{
		{"benchmark", "unit", "base", "other", "to", "base"},
		{"A", "MB/s", "100", "50", "0.500", "(0.500", "to", "0.500)"},
		{"B", "client-B/conn", "5000", "5600", "+600"},
		{"C", "ns/op", "-", "<0.001", "-"},
	}
	var got [][]string
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 0 {
			got = append(got, f)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got\n%s", out.String())
	}
	for i := range want {
		if strings.Join(got[i], " ") != strings.Join(want[i], " ") {
			t.Errorf("line %d: got %q, want %q", i, got[i], want[i])
		}
	}
}
