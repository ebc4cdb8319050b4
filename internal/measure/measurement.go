// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// Test configures a measurement.
type Test struct {
	Mode     Mode
	Duration time.Duration

	// SndUna returns the oldest sequence number of the connection that is not
	// acknowledged, for uploads. Nil means that the connection does not tell.
	SndUna func() uint32
}

// Measurement is a measurement of one connection, at the end that dialled. Run runs it;
// the other methods may be called meanwhile.
type Measurement struct {
	test Test
	conn relay.Conn
	r    *bufio.Reader

	rtt   time.Duration
	first uint32 // sequence number of the first byte of an upload

	sent atomic.Int64
	rec  *arrivals.Recorder // at this end
	pong *pongs             // nil unless interactive

	gaps []Gap // of the receiver, once Run has returned
}

// Start agrees with the server on the measurement.
func Start(ctx context.Context, conn relay.Conn, test Test) (*Measurement, error) {
	h := hello{Version, test.Mode, test.Duration.Seconds()}
	if _, err := h.check(); err != nil {
		return nil, err
	}
	stop := abortWith(ctx, conn)
	defer stop()
	m := &Measurement{test: test, conn: conn, r: bufio.NewReader(conn)}
	begin := time.Now()
	var w welcome
	err := conn.SetDeadline(begin.Add(helloTimeout))
	if err == nil {
		err = writeLine(conn, h)
	}
	if err == nil {
		err = readLine(m.r, maxLine, &w)
	}
	m.rtt = time.Since(begin)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err == io.ErrUnexpectedEOF:
		return nil, fmt.Errorf("%w (it hangs up)", errLine)
	case err != nil:
		return nil, err
	case w.Error != "":
		return nil, fmt.Errorf("the server refuses: %s", w.Error)
	case w.Version != Version:
		return nil, errLine
	}
	m.rec = newRecorder()
	if test.Mode == Interactive {
		m.pong = newPongs(test.Duration)
	}
	if test.SndUna != nil {
		// The answer has acknowledged all that was sent.
		m.first = test.SndUna()
	}
	return m, nil
}

// Run measures until the duration is over and all has arrived, or ctx ends.
func (m *Measurement) Run(ctx context.Context) error {
	stop := abortWith(ctx, m.conn)
	defer stop()
	err := m.run(time.Now().Add(m.test.Duration))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if m.test.Mode != Upload {
		m.gaps = gapsOf(m.rec)
	}
	return err
}

func (m *Measurement) run(end time.Time) error {
	if err := m.conn.SetDeadline(end.Add(grace)); err != nil {
		return err
	}
	switch m.test.Mode {
	case Upload:
		return m.upload(end)
	case Download:
		return receive(m.r, m.rec)
	default:
		return m.interact(end)
	}
}

func (m *Measurement) upload(end time.Time) error {
	if err := send(m.conn, end, &m.sent); err != nil {
		return err
	}
	if err := m.conn.CloseWrite(); err != nil {
		return err
	}
	var o outcome
	if err := readLine(m.r, maxOutcome, &o); err != nil {
		return err
	}
	m.gaps = o.Gaps
	switch {
	case o.Error != "":
		return errors.New("at the receiver: " + o.Error)
	case o.Bytes != m.sent.Load():
		return fmt.Errorf("%d bytes have arrived of %d", o.Bytes, m.sent.Load())
	}
	return nil
}

// RTT is how long hello and welcome took.
func (m *Measurement) RTT() time.Duration { return m.rtt }

// Bytes is how much has arrived by now, as far as this end knows.
func (m *Measurement) Bytes() int64 {
	if m.test.Mode != Upload {
		return m.rec.Total()
	}
	return m.acknowledged()
}

func (m *Measurement) acknowledged() int64 {
	if m.test.SndUna == nil {
		return m.sent.Load()
	}
	una := m.test.SndUna() // before sent: the acknowledged bytes were counted
	return acknowledged(m.sent.Load(), m.first, una)
}

// Mark returns the offset that identifies a move which begins now.
func (m *Measurement) Mark() int64 {
	if m.test.Mode == Upload {
		return m.acknowledged()
	}
	return m.rec.Mark(time.Now())
}

// Outages returns the outage of each move that began at marks, in order, once Run
// has returned. It is 0 if there was none of at least a millisecond.
func (m *Measurement) Outages(marks []int64) []time.Duration { return outages(marks, m.gaps) }
