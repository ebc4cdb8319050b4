// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Testsummary runs go test -json several times and sums up. So no test is skipped
// without notice:
//
//	testsummary -- NAME [VAR=VALUE...] COMMAND [ARG...] [-- NAME ...]
//
// It shows each package when it is done, and the output of failing tests. At the end
// come the skipped tests and then the packages of all runs, as go test prints them. The
// exit code is 1 if any run fails.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

func main() {
	runs, err := parseArgs(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var results []*result
	for _, r := range runs {
		fmt.Printf("# %s\n", r.name)
		results = append(results, r.do(ctx, os.Stdout))
	}
	if !summarize(os.Stdout, results) {
		os.Exit(1)
	}
}

// run is one run of go test.
type run struct {
	name string
	env  []string
	cmd  []string
}

func parseArgs(args []string) ([]run, error) {
	var runs []run
	for _, group := range split(args, "--") {
		if len(group) == 0 {
			continue
		}
		r := run{name: group[0]}
		rest := group[1:]
		for len(rest) > 0 && strings.Contains(rest[0], "=") {
			r.env, rest = append(r.env, rest[0]), rest[1:]
		}
		if len(rest) == 0 {
			return nil, fmt.Errorf("%s: no command", r.name)
		}
		r.cmd = rest
		runs = append(runs, r)
	}
	if len(runs) == 0 {
		return nil, fmt.Errorf("usage: testsummary -- NAME [VAR=VALUE...] COMMAND [ARG...] [-- NAME ...]")
	}
	return runs, nil
}

func split(args []string, sep string) [][]string {
	groups := [][]string{nil}
	for _, a := range args {
		if a == sep {
			groups = append(groups, nil)
			continue
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], a)
	}
	return groups
}

// do runs the command and shows on w how it goes.
func (r run) do(ctx context.Context, w io.Writer) *result {
	res := newResult(r.name)
	cmd := exec.CommandContext(ctx, r.cmd[0], r.cmd[1:]...)
	cmd.Env = append(os.Environ(), r.env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		res.err = err
		return res
	}
	res.err = res.read(out, w)
	// A command that goes on writing must not block for want of a reader.
	if _, err := io.Copy(io.Discard, out); err != nil && res.err == nil {
		res.err = err
	}
	if err := cmd.Wait(); err != nil && res.err == nil {
		res.err = err
	}
	return res
}
