// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// rounds makes measurements of nothing but a speed.
func rounds(gbits ...float64) (ms []measurement) {
	for _, g := range gbits {
		ms = append(ms, measurement{gbits: g, cpu: 1 / g})
	}
	return ms
}

// The second round was ten times slower for all. So the median of the ratios differs
// from the ratio of the medians.
func TestRatioIsOfPairs(t *testing.T) {
	r := results{
		{"water", send}:    rounds(1, 0.1, 1),
		{"vnet_hdr", send}: rounds(4, 0.4, 4),
	}
	low, median, high, ok := r.ratio(series{"vnet_hdr", send}, "water")
	if !ok || low != 4 || median != 4 || high != 4 {
		t.Errorf("ratio %v, %v to %v, %v; want 4", median, low, high, ok)
	}
	if _, _, _, ok := r.ratio(series{"vnet_hdr", receive}, "water"); ok {
		t.Error("a ratio of nothing")
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	r := results{
		{"veth", send}:     rounds(8, 8),
		{"water", send}:    rounds(1, 1),
		{"vnet_hdr", send}: rounds(4, 4),
	}
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"veth      send       8.00    0.125     8.00 (8.00 to 8.00)  -",
		"vnet_hdr  send       4.00    0.250     4.00 (4.00 to 4.00)  0.50 (0.50 to 0.50)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name          string
		send, receive float64
		ok            bool
	}{{"both", 3, 3.5, true}, {"one is slow", 4, 2.9, false}} {
		r := results{
			{"water", send}: rounds(1), {"water", receive}: rounds(1),
			{"vnet_hdr", send}: rounds(tt.send), {"vnet_hdr", receive}: rounds(tt.receive),
		}
		if err := r.verdict(new(strings.Builder)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := (results{}).verdict(new(strings.Builder)); err == nil {
		t.Error("nothing measured is fast enough")
	}
}
