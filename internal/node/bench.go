// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/measure"
	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

const (
	// DefaultBenchPort is iperf3's.
	DefaultBenchPort = 5201

	// MaxBenchConns stops a measurement from taking all that the node has.
	MaxBenchConns = 16

	// minMoveSpacing keeps moves apart, so that each has an outage of its own.
	minMoveSpacing = 50 * time.Millisecond

	// benchInterval is how often a measurement tells how it goes.
	benchInterval = time.Second
)

// BenchRequest asks for a measurement.
type BenchRequest struct {
	Address    string        `json:"address"` // "host:port"
	Mode       measure.Mode  `json:"mode"`
	Duration   time.Duration `json:"duration"`
	Parallel   int           `json:"parallel"`   // connections
	Migrations int           `json:"migrations"` // of each, evenly spread
	To         netip.Addr    `json:"to"`         // where they go, and back; invalid means a new port
}

// Check returns an error if r is wrong. The error is an [ErrConfig].
func (r BenchRequest) Check() error {
	switch {
	case r.Duration <= 0 || r.Duration > measure.MaxDuration:
		return fmt.Errorf("%w: bench: %v: want more than 0, and at most %v", ErrConfig, r.Duration, measure.MaxDuration)
	case r.Parallel < 1 || r.Parallel > MaxBenchConns:
		return fmt.Errorf("%w: bench: %d connections: want 1 to %d", ErrConfig, r.Parallel, MaxBenchConns)
	case r.Migrations < 0 || time.Duration(r.Migrations+1)*minMoveSpacing > r.Duration:
		return fmt.Errorf("%w: bench: %d migrations in %v: want one every %v at most", ErrConfig, r.Migrations, r.Duration, minMoveSpacing)
	case r.To.IsValid() && r.Migrations == 0:
		return fmt.Errorf("%w: bench: an address to move to, but no migrations: say how many", ErrConfig)
	}
	return CheckDial(r.Address)
}

// Bench measures connections to a node that [Node.ServeBench] runs on, and tells how
// it goes. The last event is the report.
func (n *Node) Bench(ctx context.Context, req BenchRequest, tell func(BenchEvent) error) error {
	if err := req.Check(); err != nil {
		return err
	}
	ctx, cancel := n.bound(ctx)
	defer cancel()
	var runs []*benchRun
	defer func() {
		for _, run := range runs {
			run.close()
		}
	}()
	start := &BenchStart{Mode: req.Mode}
	for range req.Parallel {
		run, err := n.openBench(ctx, req)
		if err != nil {
			return err
		}
		runs = append(runs, run)
		start.Connections = append(start.Connections, run.info)
	}
	if err := tell(BenchEvent{Start: start}); err != nil {
		return err
	}
	begin := time.Now()
	if err := runAll(ctx, runs, func() error { return watchBench(begin, runs, tell) }); err != nil {
		return err
	}
	return tell(BenchEvent{Report: req.report(runs, time.Since(begin))})
}

// runAll runs all until they have ended, or one of them has failed, and calls watch
// each benchInterval.
func runAll(ctx context.Context, runs []*benchRun, watch func() error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var wg sync.WaitGroup
	for _, run := range runs {
		wg.Go(func() {
			if err := run.run(ctx); err != nil {
				fail(err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	tick := time.NewTicker(benchInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return context.Cause(ctx)
		case <-tick.C:
			if err := watch(); err != nil {
				fail(err)
			}
		}
	}
}

// watchBench tells the results since its last call.
func watchBench(begin time.Time, runs []*benchRun, tell func(BenchEvent) error) error {
	iv := &BenchInterval{End: time.Since(begin).Seconds()}
	iv.Messages, iv.MessageMS = messages(runs, func(r *benchRun) int { return r.seen.messages })
	for _, r := range runs {
		bytes := r.measurement.Bytes()
		iv.Begin = r.seen.at
		iv.Bytes += bytes - r.seen.bytes
		r.seen.at, r.seen.bytes = iv.End, bytes
		r.seen.messages = len(r.measurement.RoundTrips(0))
	}
	iv.BitsPerSecond = float64(iv.Bytes) * 8 / (iv.End - iv.Begin)
	return tell(BenchEvent{Interval: iv})
}

// benchRun is the measurement of one connection.
type benchRun struct {
	n           *Node
	c           *Conn
	req         BenchRequest
	info        BenchConnection
	measurement *measure.Measurement
	err         error

	// Of the watcher: the results that it has told.
	seen struct {
		at       float64
		bytes    int64
		messages int
	}

	moves []BenchMove
	marks []int64
}

// openBench dials, and agrees with the server on the measurement.
func (n *Node) openBench(ctx context.Context, req BenchRequest) (*benchRun, error) {
	c, err := n.Dial(ctx, KindBench, req.Address, req.Migrations > 0)
	if err != nil {
		return nil, err
	}
	r := &benchRun{n: n, c: c, req: req}
	if err := r.start(ctx); err != nil {
		n.Drop(c, err)
		return nil, explainDial(err)
	}
	return r, nil
}

func (r *benchRun) start(ctx context.Context) error {
	if err := r.c.SetNoDelay(true); err != nil {
		return err
	}
	target := r.n.pingTarget(ctx, r.c)
	if !target.Migratable && r.req.Migrations > 0 {
		return fmt.Errorf("the connection cannot migrate: %s", target.Why)
	}
	test := measure.Test{Mode: r.req.Mode, Duration: r.req.Duration}
	if target.Migratable { // plain TCP does not tell
		test.SndUna = func() uint32 { return r.c.TCPInfo().SndUna }
	}
	var err error
	if r.measurement, err = measure.Start(ctx, counted(r.c), test); err != nil {
		return err
	}
	cur := r.c.Migration().Current
	r.info = BenchConnection{
		ID: r.c.ID, Local: cur.Local, Remote: cur.Remote,
		Migratable: target.Migratable, Suite: target.Suite, Why: target.Why,
		RTTMS: stats.Milliseconds(r.measurement.RTT()),
	}
	return nil
}

// run measures, and moves the connection meanwhile.
func (r *benchRun) run(ctx context.Context) error {
	moving, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.move(moving) })
	r.err = r.measurement.Run(ctx)
	stop()
	wg.Wait()
	return r.err
}

// move moves the connection as often as it was asked for, until ctx ends.
func (r *benchRun) move(ctx context.Context) {
	begin := time.Now()
	for i := range r.req.Migrations {
		due := r.req.Duration * time.Duration(i+1) / time.Duration(r.req.Migrations+1)
		select {
		case <-time.After(time.Until(begin.Add(due))):
		case <-ctx.Done():
			return
		}
		from := r.c.Migration().Current.Local
		m := BenchMove{Conn: r.c.ID, At: time.Since(begin).Seconds(), From: from}
		mark := r.measurement.Mark()
		asked := time.Now()
		err := r.n.migrate(ctx, r.c, r.target(i))
		if ctx.Err() != nil {
			return // the measurement has ended first
		}
		m.TookMS = stats.Milliseconds(time.Since(asked))
		if m.To = r.c.Migration().Current.Local; err != nil {
			m.Error = err.Error()
		}
		r.marks, r.moves = append(r.marks, mark), append(r.moves, m)
	}
}

// target is where move number i goes: to the address that was asked for and back,
// always to a new port.
func (r *benchRun) target(i int) netip.AddrPort {
	to := r.info.Local.Addr()
	if r.req.To.IsValid() && i%2 == 0 {
		to = r.req.To
	}
	return netip.AddrPortFrom(to, 0)
}

// outages returns the moves with the outage of each.
func (r *benchRun) outages() []BenchMove {
	moves := slices.Clone(r.moves)
	for i, d := range r.measurement.Outages(r.marks) {
		moves[i].OutageMS = stats.Milliseconds(d)
		moves[i].OutageRTT = float64(d) / float64(r.measurement.RTT())
	}
	return moves
}

// close ends the connection; by a reset, if the measurement has not ended well.
func (r *benchRun) close() {
	if r.err != nil {
		r.n.Drop(r.c, r.err)
		return
	}
	r.c.Close()
	r.n.forget(r.c, nil)
}

// countedConn shows in the status how much a connection carries. It has only the
// methods of relay.Conn, and SetLinger. Others would get around the count.
type countedConn struct {
	relay.Conn
	c *Conn
}

func counted(c *Conn) countedConn { return countedConn{c, c} }

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.c.progress.BToA.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.c.progress.AToB.Add(int64(n))
	return n, err
}

// SetLinger is for relay.Abort.
func (c countedConn) SetLinger(sec int) error { return c.c.SetLinger(sec) }
