// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// key names one figure.
type key struct{ benchmark, unit string }

// results are the figures of one round.
type results map[key]float64

// parse reads the output of a benchmark (go.dev/design/14313-benchmark-format)
// into r.
func parse(in io.Reader, r results) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, ok := strings.CutPrefix(lines.Text(), "Benchmark")
		if !ok {
			continue
		}
		// Name, number of iterations, and then each value with its unit.
		fields := strings.Fields(name)
		if len(fields) < 4 || len(fields)%2 != 0 {
			continue // the name alone, printed when the benchmark began
		}
		name = withoutProcs(fields[0])
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("benchmark %s: %w", name, err)
			}
			r[key{name, fields[i+1]}] = v
		}
	}
	return lines.Err()
}

// withoutProcs takes off the number of processors, which the testing package
// adds to the name if there is more than one.
func withoutProcs(name string) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[i+1:]); err != nil {
		return name
	}
	return name[:i]
}
