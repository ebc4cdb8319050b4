// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Command outage measures handovers to another uplink and prints a table to standard
// error, and its rows as JSON. It needs root, and works in network namespaces of its
// own.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/outage"
	"github.com/mnet-dev/mnet/netstack"
)

const (
	maxRTT         = 10_000 // in ms; stops a typing error from taking hours
	maxRuns        = 10_000
	maxConnections = 20_000 // the ports that a stack has to choose from
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "outage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("outage", flag.ContinueOnError)
	var (
		rtts        = flags.String("rtt", "10,40", "round-trip times, in ms")
		modes       = flags.String("mode", "bbm,mbb", "break before make, make before break")
		directions  = flags.String("direction", "download,upload,interactive", "what the connections carry")
		runs        = flags.Int("n", 20, "handovers of each kind")
		connections = flags.Int("connections", 1000, "idle connections that move at once; 0 leaves that out")
		output      = flags.String("o", "-", "the file for the JSON; - is standard output")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	cells, err := parseCells(*rtts, *modes, *directions)
	switch {
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unknown argument %q: see -h", flags.Arg(0))
	case *runs < 1 || *runs > maxRuns:
		return fmt.Errorf("-n %d: choose from 1 to %d", *runs, maxRuns)
	case *connections < 0 || *connections > maxConnections:
		return fmt.Errorf("-connections %d: choose from 0 to %d", *connections, maxConnections)
	}
	if err := netstack.Patched(); err != nil {
		return err
	}
	if err := preferred(); err != nil {
		fmt.Fprintln(os.Stderr, "outage: other programs will be in the figures:", err)
	}
	return measure(ctx, outage.Config{Cells: cells, Runs: *runs, Connections: *connections}, *output)
}

// measure prints the rows that there are, even if not all could be measured.
func measure(ctx context.Context, cfg outage.Config, output string) error {
	cfg.Progress = func(r outage.Row) { outage.WriteProgress(os.Stderr, r) }
	cfg.Failed = func(c outage.Cell, err error) { fmt.Fprintf(os.Stderr, "%v: %v\n", c, err) }
	rows, err := outage.Measure(ctx, cfg)
	if len(rows) == 0 {
		return err
	}
	fmt.Fprintln(os.Stderr)
	return errors.Join(err, outage.WriteTable(os.Stderr, rows), writeJSON(output, rows))
}

func writeJSON(output string, rows []outage.Row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if output == "-" {
		_, err = os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(output, text, 0o644)
}

func parseCells(rtts, modes, directions string) ([]outage.Cell, error) {
	r, err := parseList(rtts, parseRTT)
	if err != nil {
		return nil, err
	}
	m, err := parseList(modes, outage.ParseMode)
	if err != nil {
		return nil, err
	}
	d, err := parseList(directions, outage.ParseDirection)
	if err != nil {
		return nil, err
	}
	return outage.Cells(r, m, d), nil
}

func parseRTT(s string) (time.Duration, error) {
	ms, err := strconv.ParseFloat(s, 64)
	if err != nil || !(ms >= 1 && ms <= maxRTT) {
		return 0, fmt.Errorf("round-trip time %q: give milliseconds, from 1 to %d", s, maxRTT)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}

func parseList[T any](s string, parse func(string) (T, error)) ([]T, error) {
	var list []T
	for _, one := range strings.Split(s, ",") {
		v, err := parse(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
