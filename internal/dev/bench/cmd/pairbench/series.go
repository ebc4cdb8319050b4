// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const pkg = "github.com/mnet-dev/mnet/internal/dev/bench"

// series is the measurements of one build with one kind of connections.
type series struct {
	name string
	args []string
	file string // for the output, in the format that benchstat reads

	// exec runs the test binary and returns its output.
	exec func(ctx context.Context, args ...string) ([]byte, error)

	rounds []results
}

// build builds both binaries and returns the series. The first is the one that
// the others are compared with.
func build(ctx context.Context, cfg config) ([]*series, error) {
	work, err := filepath.Abs(cfg.work)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(work); err != nil {
		return nil, fmt.Errorf("no patched gVisor, see make patched: %w", err)
	}
	if err := os.MkdirAll(cfg.out, 0o755); err != nil {
		return nil, err
	}
	out, err := filepath.Abs(cfg.out)
	if err != nil {
		return nil, err
	}
	vanilla, patched := filepath.Join(out, "vanilla.test"), filepath.Join(out, "patched.test")
	for file, work := range map[string]string{vanilla: "off", patched: work} {
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", file, pkg)
		cmd.Env = append(os.Environ(), "GOWORK="+work)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("building %s: %w", file, err)
		}
	}
	all := []*series{
		{name: "vanilla", exec: binary(vanilla), args: []string{"-migratable=false"}},
		{name: "again", exec: binary(vanilla), args: []string{"-migratable=false"}},
		{name: "off", exec: binary(patched), args: []string{"-migratable=false"}},
		{name: "migratable", exec: binary(patched), args: []string{"-migratable"}},
	}
	for _, s := range all {
		s.file = filepath.Join(cfg.out, s.name+".txt")
		if err := os.RemoveAll(s.file); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// measure runs each benchmark in each series and round.
func measure(ctx context.Context, cfg config, all []*series, w io.Writer) error {
	names, err := all[0].list(ctx, cfg.bench)
	if err != nil {
		return err
	}
	for round := range cfg.count {
		fmt.Fprintf(w, "round %d of %d\n", round+1, cfg.count)
		for _, s := range all {
			s.rounds = append(s.rounds, results{})
		}
		// There and back, so that a machine that gets slower or faster does so
		// for all.
		order := slices.Clone(all)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, name := range names {
			for _, s := range order {
				out, err := s.run(ctx, name, cfg)
				if err == nil {
					err = s.record(out)
				}
				if err != nil {
					return fmt.Errorf("%s: %s: %w", s.name, name, err)
				}
			}
		}
	}
	return nil
}

// list returns the names of the benchmarks that match.
func (s *series) list(ctx context.Context, pattern string) ([]string, error) {
	out, err := s.exec(ctx, "-test.list", pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	var names []string
	for name := range strings.Lines(string(out)) {
		names = append(names, strings.TrimSpace(name))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no benchmark matches %q", pattern)
	}
	return names, nil
}

func (s *series) run(ctx context.Context, name string, cfg config) ([]byte, error) {
	return s.exec(ctx, append(slices.Clone(s.args),
		"-test.run", "^$", "-test.bench", "^"+name+"$",
		"-test.benchtime", cfg.benchtime.String(), "-test.cpu", strconv.Itoa(cfg.cpus))...)
}

// binary returns a function that runs a test binary.
func binary(path string) func(context.Context, ...string) ([]byte, error) {
	return func(ctx context.Context, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		return out, nil
	}
}

// record adds the output of one run to the last round and to the file.
func (s *series) record(out []byte) error {
	if err := parse(bytes.NewReader(out), s.rounds[len(s.rounds)-1]); err != nil {
		return err
	}
	f, err := os.OpenFile(s.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(out); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
