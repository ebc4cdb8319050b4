// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/pattern"
)

// Config configures [Measure].
type Config struct {
	Cells []Cell
	Runs  int // of each cell

	// Connections are the idle ones that move at once. Zero leaves that out.
	Connections int

	// Progress is called after each row, Failed for each run that did not go well.
	// Nil means that nobody is told.
	Progress func(Row)
	Failed   func(Cell, error)
}

// Measure returns a row for each cell and one for the idle connections. A run that
// fails counts in its row. The error is about the network, a wrong byte or ctx; the
// rows are then the ones before it. Measure needs root, see package lab/kernel.
func Measure(ctx context.Context, cfg Config) ([]Row, error) {
	if cfg.Progress == nil {
		cfg.Progress = func(Row) {}
	}
	if cfg.Failed == nil {
		cfg.Failed = func(Cell, error) {}
	}
	var rows []Row
	for _, c := range cfg.Cells {
		row, err := cfg.cell(ctx, c)
		if err != nil {
			return rows, fmt.Errorf("%v: %w", c, err)
		}
		cfg.Progress(row)
		rows = append(rows, row)
	}
	if cfg.Connections > 0 {
		row, err := idle(ctx, idleRTT, cfg.Connections)
		if err != nil {
			return rows, fmt.Errorf("%d idle connections: %w", cfg.Connections, err)
		}
		cfg.Progress(row)
		rows = append(rows, row)
	}
	compare(rows)
	return rows, nil
}

// idleRTT is the round-trip time of the idle connections.
const idleRTT = 40 * time.Millisecond

// cell measures a cell on a network of its own.
func (cfg Config) cell(ctx context.Context, c Cell) (_ Row, err error) {
	n, err := newNetwork(ctx, c.Mode, c.RTT, nil)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	var results []result
	for i := range cfg.Runs {
		r, err := n.measure(ctx, c, i)
		switch {
		case err == nil:
			results = append(results, r)
		case errors.Is(err, pattern.ErrWrong) || ctx.Err() != nil:
			return Row{}, err
		default:
			cfg.Failed(c, err)
		}
	}
	return c.row(cfg.Runs, results), nil
}
