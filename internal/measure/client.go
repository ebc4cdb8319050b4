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

// Stream is a measurement of one connection, at the end that dialled. Run runs it;
// the other methods may be called meanwhile.
type Stream struct {
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
func Start(ctx context.Context, conn relay.Conn, test Test) (*Stream, error) {
	h := hello{Version, test.Mode, test.Duration.Seconds()}
	if _, err := h.check(); err != nil {
		return nil, err
	}
	stop := abortWith(ctx, conn)
	defer stop()
	s := &Stream{test: test, conn: conn, r: bufio.NewReader(conn)}
	begin := time.Now()
	var w welcome
	err := conn.SetDeadline(begin.Add(helloTimeout))
	if err == nil {
		err = writeLine(conn, h)
	}
	if err == nil {
		err = readLine(s.r, maxLine, &w)
	}
	s.rtt = time.Since(begin)
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
	s.rec = newRecorder()
	if test.Mode == Interactive {
		s.pong = newPongs(test.Duration)
	}
	if test.SndUna != nil {
		// The answer has acknowledged all that was sent.
		s.first = test.SndUna()
	}
	return s, nil
}

// Run measures until the duration is over and all has arrived, or ctx ends.
func (s *Stream) Run(ctx context.Context) error {
	stop := abortWith(ctx, s.conn)
	defer stop()
	err := s.run(time.Now().Add(s.test.Duration))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.test.Mode != Upload {
		s.gaps = gapsOf(s.rec)
	}
	return err
}

func (s *Stream) run(end time.Time) error {
	if err := s.conn.SetDeadline(end.Add(grace)); err != nil {
		return err
	}
	switch s.test.Mode {
	case Upload:
		return s.upload(end)
	case Download:
		return receive(s.r, s.rec)
	default:
		return s.interact(end)
	}
}

func (s *Stream) upload(end time.Time) error {
	if err := send(s.conn, end, &s.sent); err != nil {
		return err
	}
	if err := s.conn.CloseWrite(); err != nil {
		return err
	}
	var o outcome
	if err := readLine(s.r, maxOutcome, &o); err != nil {
		return err
	}
	s.gaps = o.Gaps
	switch {
	case o.Error != "":
		return errors.New("at the receiver: " + o.Error)
	case o.Bytes != s.sent.Load():
		return fmt.Errorf("%d bytes have arrived of %d", o.Bytes, s.sent.Load())
	}
	return nil
}

// RTT is how long hello and welcome took.
func (s *Stream) RTT() time.Duration { return s.rtt }

// Bytes is how much has arrived by now, as far as this end knows.
func (s *Stream) Bytes() int64 {
	if s.test.Mode != Upload {
		return s.rec.Total()
	}
	return s.acknowledged()
}

func (s *Stream) acknowledged() int64 {
	if s.test.SndUna == nil {
		return s.sent.Load()
	}
	una := s.test.SndUna() // before sent: the acknowledged bytes were counted
	return acknowledged(s.sent.Load(), s.first, una)
}

// Mark returns the offset that identifies a move which begins now.
func (s *Stream) Mark() int64 {
	if s.test.Mode == Upload {
		return s.acknowledged()
	}
	return s.rec.Mark(time.Now())
}

// Outages returns the outage of each move that began at marks, in order, once Run
// has returned. It is 0 if there was none of at least a millisecond.
func (s *Stream) Outages(marks []int64) []time.Duration { return outages(marks, s.gaps) }
