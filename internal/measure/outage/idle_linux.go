// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// maxDials stops the connections from being dialled in one burst, which the queue of
// the uplink would not hold.
const maxDials = 32

// idle has a number of connections move at once, and then shows that they all live.
func idle(ctx context.Context, rtt time.Duration, count int) (_ Row, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*patience)
	defer cancel()
	moved := make(chan time.Time, count)
	n, err := newNetwork(ctx, BreakBeforeMake, rtt, func(ev endpoint.RoamEvent) {
		if ev.Err != nil {
			return
		}
		select {
		case moved <- time.Now():
		default: // it is there by now
		}
	})
	if err != nil {
		return Row{}, err
	}
	defer func() { err = errors.Join(err, n.close()) }()

	clients := make([]*migrating, count)
	defer func() {
		for _, c := range clients {
			if c != nil {
				relay.Abort(c.conn)
			}
		}
	}()
	err = each(ctx, count, maxDials, func(ctx context.Context, i int) error {
		c := &migrating{network: n}
		conn, err := c.dial(ctx)
		if err != nil {
			return err
		}
		clients[i] = c
		if err := (header{opEcho, uint64(i), 0}).write(conn); err != nil {
			return err
		}
		return echo(conn, 0)
	})
	if err != nil {
		return Row{}, fmt.Errorf("before the handover: %w", err)
	}

	cpu := cpuTime()
	at, err := n.handover()
	if err != nil {
		return Row{}, err
	}
	var times []float64
	for range clients {
		select {
		case t := <-moved:
			times = append(times, stats.Milliseconds(t.Sub(at)))
		case <-ctx.Done():
			return Row{}, fmt.Errorf("%d of %d connections have moved: %w", len(times), count, ctx.Err())
		}
	}
	cpu = cpuTime() - cpu
	err = each(ctx, count, count, func(_ context.Context, i int) error {
		return errors.Join(echo(clients[i].conn, 1), clients[i].survived())
	})
	if err != nil {
		return Row{}, fmt.Errorf("after the handover: %w", err)
	}
	row := Cell{Mnet, rtt, BreakBeforeMake, Idle}.newRow(count, times)
	row.LastMS, row.CPUSeconds = &times[count-1], new(cpu.Seconds())
	return row, nil
}

// each calls f for the numbers below count, at most limit at a time, and returns its
// first error.
func each(ctx context.Context, count, limit int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	for i := range count {
		g.Go(func() error {
			if err := f(ctx, i); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// echo sends the byte of an offset and waits until it is back.
func echo(c net.Conn, offset int64) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	b := [1]byte(bytesAt(offset, 1))
	if _, err := c.Write(b[:]); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, b[:]); err != nil {
		return err
	}
	return check(offset, b[:])
}

// cpuTime returns the CPU time of the process so far, in user and system mode.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err) // not with these arguments
	}
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}
