// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"slices"
	"testing"
	"time"
)

func gap(offset int64, ms int) Gap { return Gap{offset, time.Duration(ms) * time.Millisecond} }

func TestOutages(t *testing.T) {
	gaps := []Gap{gap(500, 7), gap(50, 99), gap(100, 20), gap(120, 30), gap(200, 5), gap(300, 40)}
	for _, tt := range []struct {
		name  string
		marks []int64
		want  []int
	}{
		{"none", nil, []int{}},
		{"what came before is not counted", []int64{100}, []int{40}},
		{"each has its own", []int64{100, 200, 400}, []int{30, 40, 7}},
		{"at the same offset", []int64{100, 300, 300}, []int{30, 40, 40}},
		{"none after the last", []int64{400, 501}, []int{7, 0}},
	} {
		got := outages(tt.marks, gaps)
		want := make([]time.Duration, len(tt.want))
		for i, ms := range tt.want {
			want[i] = time.Duration(ms) * time.Millisecond
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tt.name, got, want)
		}
	}
}

func TestAcknowledged(t *testing.T) {
	const first = 1<<32 - 10 // it wraps soon
	for _, tt := range []struct {
		name        string
		sent, acked int64
		una         int64 // relative to first
	}{
		{"nothing", 0, 0, 0},
		{"nothing yet", 1000, 0, 0},
		{"a part", 1000, 400, 400},
		{"all", 1000, 1000, 1000},
		{"all and the FIN", 1000, 1000, 1001},
		{"beyond 4 GiB", 1<<33 + 1000, 1<<33 + 400, 400},
		{"before a multiple of 4 GiB", 1<<33 + 1000, 1<<33 - 400, -400},
	} {
		una := uint32(first + tt.una)
		if got := acknowledged(tt.sent, first, una); got != tt.acked {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.acked)
		}
	}
}
