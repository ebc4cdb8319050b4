// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Pairbench builds the benchmarks of internal/dev/bench with gVisor as released and
// with the patched one, and runs them in turns:
//
//	pairbench [-count N] [-benchtime D] [-bench REGEXP] [-cpu N] [-work FILE] [-o DIR]
//
// There are four series:
//
//   - vanilla: gVisor as released
//   - again: the same once more, which shows the noise
//   - off: patched, with migration turned off
//   - migratable: patched
//
// In each round, each benchmark runs once in each series, within seconds. So other work
// of the machine falls on all alike. The results are in DIR, a file for each series.
// Pairbench ends with the output of benchstat, and with the medians of the ratios of
// paired runs.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

// benchstat is pinned, so that its output does not change by itself.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

type config struct {
	count     int
	benchtime time.Duration
	bench     string
	cpus      int
	work      string
	out       string
}

func main() {
	var cfg config
	flag.IntVar(&cfg.count, "count", 16, "number of rounds")
	flag.DurationVar(&cfg.benchtime, "benchtime", 200*time.Millisecond, "time of each benchmark in a round and series")
	flag.StringVar(&cfg.bench, "bench", ".", "regular expression for the benchmarks to run")
	flag.IntVar(&cfg.cpus, "cpu", 1, "number of processors; with one, the scheduler adds least noise")
	flag.StringVar(&cfg.work, "work", "go.work", "workspace with the patched gVisor")
	flag.StringVar(&cfg.out, "o", filepath.Join("bin", "bench"), "directory for the binaries and results")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pairbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, cfg config, w io.Writer) error {
	all, err := build(ctx, cfg)
	if err != nil {
		return err
	}
	if err := measure(ctx, cfg, all, w); err != nil {
		return err
	}
	// The summary does not depend on benchstat, which may have to be fetched.
	err = compare(ctx, all, w)
	summarize(w, all)
	return err
}

// compare runs benchstat.
func compare(ctx context.Context, all []*series, w io.Writer) error {
	args := []string{"run", benchstat}
	for _, s := range all {
		args = append(args, s.name+"="+s.file)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	return nil
}
