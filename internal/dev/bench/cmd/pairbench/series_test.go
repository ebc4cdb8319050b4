// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakes returns series whose benchmarks take no time, and a list of the runs so far.
func fakes(t *testing.T, names ...string) (all []*series, runs *[]string) {
	dir := t.TempDir()
	runs = new([]string)
	for _, name := range names {
		s := &series{name: name, args: []string{"-kind"}, file: filepath.Join(dir, name+".txt")}
		s.exec = func(_ context.Context, args ...string) ([]byte, error) {
			if slices.Equal(args, []string{"-test.list", "."}) {
				return []byte("BenchmarkA\nBenchmarkB\n"), nil
			}
			if args[0] != "-kind" {
				t.Errorf("arguments without those of the series: %q", args)
			}
			benchmark := strings.Trim(args[slices.Index(args, "-test.bench")+1], "^$")
			*runs = append(*runs, name+" "+benchmark)
			if name == "broken" {
				return nil, errBroken
			}
			return fmt.Appendf(nil, "%s-2 \t 10 \t %d ns/op\nPASS\n", benchmark, len(*runs)), nil
		}
		all = append(all, s)
	}
	return all, runs
}

var errBroken = errors.New("exit status 1")

func TestMeasureTakesTurns(t *testing.T) {
	all, runs := fakes(t, "x", "y")
	if err := measure(t.Context(), config{count: 2, benchtime: time.Millisecond, bench: "."}, all, io.Discard); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"x BenchmarkA", "y BenchmarkA", "x BenchmarkB", "y BenchmarkB",
		"y BenchmarkA", "x BenchmarkA", "y BenchmarkB", "x BenchmarkB",
	}
	if !slices.Equal(*runs, want) {
		t.Errorf("runs: got %q, want %q", *runs, want)
	}
	a, b := key{"A", "ns/op"}, key{"B", "ns/op"}
	for i, want := range [][]results{{{a: 1, b: 3}, {a: 6, b: 8}}, {{a: 2, b: 4}, {a: 5, b: 7}}} {
		if got := all[i].rounds; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", all[i].name, got, want)
		}
		file, err := os.ReadFile(all[i].file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(file), "ns/op"); n != 4 {
			t.Errorf("%s: the file has %d results, want 4:\n%s", all[i].name, n, file)
		}
	}
}

func TestMeasureStopsAtAFailure(t *testing.T) {
	all, runs := fakes(t, "x", "broken")
	err := measure(t.Context(), config{count: 2, benchtime: time.Millisecond, bench: "."}, all, io.Discard)
	if !errors.Is(err, errBroken) {
		t.Errorf("error: got %v", err)
	}
	if len(*runs) != 2 {
		t.Errorf("runs: got %q", *runs)
	}
}

func TestMeasureNothing(t *testing.T) {
	all, _ := fakes(t, "x")
	all[0].exec = func(context.Context, ...string) ([]byte, error) { return nil, nil }
	if err := measure(t.Context(), config{count: 1, bench: "Nothing"}, all, io.Discard); err == nil {
		t.Error("no error though no benchmark matches")
	}
}
