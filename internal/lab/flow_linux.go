// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/measure/pattern"
	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// The interactive connection sends a message and waits for its echo, but sends no
// more often than this.
const (
	messageSize = 64 // bytes
	messagePace = 20 * time.Millisecond
)

// flow is a connection of mnet that is measured.
type flow struct {
	meter meter
	peer  string // as it was dialled, which is how the node names it
	conn  relay.Conn
	end   func(context.Context) error // how the connection has ended
	tell  func()                      // called when anything has changed

	sent *digest       // by pingPong; to be read once done is closed
	stop chan struct{} // closed to end this side
	done chan struct{} // closed when nothing more arrives

	mu       sync.Mutex
	expected *pattern.Checker
	received *digest
	wrong    error // about the first byte that is
	moves    []node.MoveStatus
	err      error // why it ended before its time
}

// dialFlow connects to a port of the server.
func dialFlow(ctx context.Context, c *control.Client, port uint16, seed uint64, tell func()) (*flow, error) {
	f := &flow{
		peer:     netip.AddrPortFrom(kernel.ServerAddr4, port).String(),
		tell:     tell,
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		expected: pattern.NewChecker(contentOf(seed)),
		received: newDigest(),
	}
	var err error
	if f.conn, f.end, err = c.Dial(ctx, f.peer, true); err != nil {
		return nil, err
	}
	return f, nil
}

// download receives until the peer ends, which it does once this side has.
func (f *flow) download() {
	defer close(f.done)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-f.stop:
			f.endSide()
		case <-stop:
		}
	}()
	f.receive()
}

// pingPong sends messages and waits for their echo, until this side is to end.
func (f *flow) pingPong() {
	defer close(f.done)
	messages := contentOf(echoSeed)
	f.sent = newDigest()
	tick := time.NewTicker(messagePace)
	defer tick.Stop()
	buf := make([]byte, messageSize)
	for {
		_, _ = messages.Read(buf) // has no end
		if _, err := f.conn.Write(buf); err != nil {
			f.ended(err)
			return
		}
		f.sent.add(buf)
		n, err := io.ReadFull(f.conn, buf)
		f.got(buf[:n])
		if err != nil {
			f.ended(err)
			return
		}
		select {
		case <-tick.C:
		case <-f.stop:
			f.endSide()
			f.receive()
			return
		}
	}
}

func (f *flow) receive() {
	buf := make([]byte, 2*chunk)
	for {
		n, err := f.conn.Read(buf)
		f.got(buf[:n])
		if err != nil {
			f.ended(err)
			return
		}
	}
}

// got takes bytes that have arrived.
func (f *flow) got(p []byte) {
	if len(p) == 0 {
		return
	}
	f.mu.Lock()
	if err := f.expected.Check(p); f.wrong == nil {
		f.wrong = err
	}
	f.received.add(p)
	f.mu.Unlock()
	f.meter.stream.Add(time.Now(), len(p))
	f.tell()
}

func (f *flow) endSide() {
	if err := f.conn.CloseWrite(); err != nil {
		f.ended(err)
	}
}

// ended notes the end of a direction. That the peer ends is as it should be once
// this side has.
func (f *flow) ended(err error) {
	select {
	case <-f.stop:
		if err == io.EOF {
			return
		}
	default:
	}
	if err == io.EOF {
		err = errEarly
	}
	f.mu.Lock()
	if f.err == nil {
		f.err = err
	}
	f.mu.Unlock()
	f.tell()
}

var errEarly = errors.New("the peer has ended it")

// moved notes an attempt of the roamer.
func (f *flow) moved(m node.MoveStatus) {
	f.mu.Lock()
	f.moves = append(f.moves, m)
	f.mu.Unlock()
	f.tell()
}

// since returns the moves that have succeeded since a time.
func (f *flow) since(t time.Time) (moves []node.MoveStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.moves {
		if m.Error == "" && m.At.After(t) {
			moves = append(moves, m)
		}
	}
	return moves
}

// failed returns why the flow has ended before its time, nil if it has not.
func (f *flow) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return fmt.Errorf("%s: %w", f.peer, f.err)
	}
	return nil
}

// finish ends this side, and waits for the data under way.
func (f *flow) finish(ctx context.Context) error {
	close(f.stop)
	select {
	case <-f.done:
	case <-ctx.Done():
		return fmt.Errorf("%s: the rest has not arrived: %w", f.peer, context.Cause(ctx))
	}
	return errors.Join(f.failed(), f.end(ctx))
}

// close ends the flow in any case.
func (f *flow) close() {
	f.conn.Close()
	<-f.done
}

// transfer compares the bytes sent with the bytes received. The flow must have ended.
func (f *flow) transfer(sent *digest) Transfer {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := Transfer{
		Sent: sent.bytes, Received: f.received.bytes,
		SentSHA256: sent.hex(), ReceivedSHA256: f.received.hex(),
	}
	t.Equal = t.SentSHA256 == t.ReceivedSHA256 && f.wrong == nil
	for _, m := range f.moves {
		if m.Error == "" {
			t.Moves++
		}
	}
	return t
}

// result returns the result for the time from mark to now.
func (f *flow) result(mark, now time.Time) FlowResult {
	r := f.meter.read(now)
	res := FlowResult{OutageMS: milliseconds(r.gap), ResumedMS: milliseconds(r.resume), Bytes: r.bytes, Causes: []string{}}
	for _, m := range f.since(mark) {
		res.Causes = append(res.Causes, m.Cause)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	res.Intact = f.wrong == nil
	return res
}

// milliseconds leaves out what is below the accuracy of a real network.
func milliseconds(d time.Duration) float64 {
	return stats.Milliseconds(d.Round(100 * time.Microsecond))
}
