// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const out = `goos: linux
pkg: example.org/x
BenchmarkAlone
BenchmarkBulk/mtu=1500/dir=up-2 	 872	 878746 ns/op	 298.32 MB/s	 1.013 allocs/segment
BenchmarkHeap/conns=10-2        	 1	 6843 client-B/conn
BenchmarkVerify/suite=x25519-sha1 	 5 	 93 ns/op
--- BENCH: BenchmarkBulk
PASS
`
	got := results{}
	if err := parse(strings.NewReader(out), got); err != nil {
		t.Fatal(err)
	}
	want := results{
		{"Bulk/mtu=1500/dir=up", "ns/op"}:          878746,
		{"Bulk/mtu=1500/dir=up", "MB/s"}:           298.32,
		{"Bulk/mtu=1500/dir=up", "allocs/segment"}: 1.013,
		{"Heap/conns=10", "client-B/conn"}:         6843,
		{"Verify/suite=x25519-sha1", "ns/op"}:      93,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseBadValue(t *testing.T) {
	if err := parse(strings.NewReader("BenchmarkX 1 fast ns/op\n"), results{}); err == nil {
		t.Error("no error")
	}
}
