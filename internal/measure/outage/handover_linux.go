// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
)

const (
	// warmUp is the time for which a connection carries data before the handover: past
	// slow start. If the old path stays, recovery from the losses that end slow start
	// must be over as well. Data behind a loss would not come to the application.
	warmUp     = 700 * time.Millisecond
	longWarmUp = 1500 * time.Millisecond
	// phases times phaseStep spread the handovers over the phases of congestion control
	// and queue.
	phases    = 10
	phaseStep = 17 * time.Millisecond

	// patience is the time after which a handover has failed. It is far above any wait
	// for a retransmission timer.
	patience = 15 * time.Second

	// The amount of data that has to arrive after the handover, in bytes.
	nextBulk  = 1_000_000
	nextPings = 25 * pingLen
)

func (c Cell) warmUp() time.Duration {
	if c.Mode == MakeBeforeBreak && c.Direction != Interactive {
		return longWarmUp
	}
	return warmUp
}

// measure does the i-th handover of a cell.
func (n *network) measure(ctx context.Context, c Cell, i int) (_ result, err error) {
	ctx, cancel := context.WithTimeout(ctx, longWarmUp+phases*phaseStep+patience)
	defer cancel()
	received := new(arrivals.Recorder)
	if c.Direction == Upload {
		received = &n.service.upload(uint64(i)).received
	}
	defer func() { err = errors.Join(err, n.service.drop()) }()

	cl := n.newClient(c.Peer)
	conn, err := cl.dial(ctx)
	if err != nil {
		return result{}, err
	}
	app := newApplication(c.Direction, uint64(i), received)
	user := use(app, conn)
	defer func() { err = errors.Join(err, user.stop()) }()

	select {
	case <-time.After(c.warmUp() + time.Duration(i%phases)*phaseStep):
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
	if c.Direction == Interactive && !app.pings.Await(ctx.Done(), time.Now(), pingLen) {
		return result{}, fmt.Errorf("no ping is sent: %w", ctx.Err())
	}
	at, err := n.handover()
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, n.rest()) }()
	conn, err = cl.handover(ctx)
	if err != nil {
		return result{}, err
	}
	if conn != nil {
		user.change(conn)
	}
	size := int64(nextBulk)
	if c.Direction == Interactive {
		size = nextPings
	}
	if !received.Await(ctx.Done(), at, size) {
		return result{}, fmt.Errorf("%d bytes have arrived, want %d after the handover: %w", received.Total(), size, ctx.Err())
	}
	if c.Direction == Interactive {
		return result{outage: longestAnswer(&app.pings, received, at, size)}, cl.survived()
	}
	gap, took := received.Since(at, size)
	return result{outage: gap, nextMB: took}, cl.survived()
}
