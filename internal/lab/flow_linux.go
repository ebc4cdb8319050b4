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

	"github.com/mnet-dev/mnet/internal/control"
	"github.com/mnet-dev/mnet/internal/netlab"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/relay"
)

// Names of the contents.
const (
	bulkName = "bulk"
	echoName = "interactive"
)

// The interactive connection sends a message so often, whatever comes back, as
// somebody does who types on.
const (
	messageSize = 64
	messagePace = 20 * time.Millisecond
)

// flow is a connection of mnet that is measured.
type flow struct {
	meter meter
	peer  string // as it was dialled, which is how the node names it
	conn  relay.Conn
	end   func(context.Context) error // how the connection has ended
	tell  func()                      // called when anything has changed

	sent    *content // of an interactive one, once its sender has ended
	stop    chan struct{}
	running sync.WaitGroup
	done    chan struct{} // closed when nothing more arrives

	mu       sync.Mutex
	received *verifier
	moves    []node.MoveStatus
	err      error // why it ended before its time
}

// dialFlow connects to a port of the server and begins to receive.
func dialFlow(ctx context.Context, c *control.Client, port uint16, name string, tell func()) (*flow, error) {
	f := &flow{
		peer:     netip.AddrPortFrom(netlab.ServerAddr4, port).String(),
		tell:     tell,
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		received: newVerifier(name),
	}
	var err error
	if f.conn, f.end, err = c.Dial(ctx, f.peer, true); err != nil {
		return nil, err
	}
	f.running.Go(f.receive)
	return f, nil
}

func (f *flow) receive() {
	defer close(f.done)
	buf := make([]byte, 2*chunk)
	for {
		n, err := f.conn.Read(buf)
		if n > 0 {
			f.mu.Lock()
			f.received.check(buf[:n])
			f.mu.Unlock()
			f.meter.arrived(time.Now(), n)
			f.tell()
		}
		if err != nil {
			f.ended(err)
			return
		}
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
	f.mu.Lock()
	if f.err == nil {
		f.err = err
	}
	f.mu.Unlock()
	f.tell()
}

// sendMessages sends until the flow is finished.
func (f *flow) sendMessages() {
	f.sent = newContent(echoName)
	f.running.Go(func() {
		tick := time.NewTicker(messagePace)
		defer tick.Stop()
		buf := make([]byte, messageSize)
		for {
			f.sent.next(buf)
			if _, err := f.conn.Write(buf); err != nil {
				f.ended(err)
				return
			}
			f.sent.count(buf)
			select {
			case <-tick.C:
			case <-f.stop:
				if err := f.conn.CloseWrite(); err != nil {
					f.ended(err)
				}
				return
			}
		}
	})
}

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

// finish ends this side, and waits for what is under way.
func (f *flow) finish(ctx context.Context) error {
	close(f.stop)
	var err error
	if f.sent == nil {
		err = f.conn.CloseWrite()
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return fmt.Errorf("%s: the rest has not arrived: %w", f.peer, context.Cause(ctx))
	}
	f.running.Wait()
	return errors.Join(err, f.failed(), f.end(ctx))
}

// close ends the flow in any case.
func (f *flow) close() {
	f.conn.Close()
	select {
	case <-f.stop:
	default:
		close(f.stop)
	}
	f.running.Wait()
}

// transfer compares what was sent with what arrived. The flow must have ended.
func (f *flow) transfer(sent *content) Transfer {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.received.content
	t := Transfer{
		Sent: sent.n, Received: got.n,
		SentSHA256: sent.hash(), ReceivedSHA256: got.hash(),
	}
	t.Equal = t.SentSHA256 == t.ReceivedSHA256 && !f.received.wrong
	for _, m := range f.moves {
		if m.Error == "" {
			t.Moves++
		}
	}
	return t
}

// result is what happened since the mark, at a time.
func (f *flow) result(mark, now time.Time) FlowResult {
	r := f.meter.read(now)
	res := FlowResult{OutageMS: milliseconds(r.gap), ResumedMS: milliseconds(r.resume), Bytes: r.bytes, Causes: []string{}}
	for _, m := range f.since(mark) {
		res.Causes = append(res.Causes, m.Cause)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	res.Intact = !f.received.wrong
	return res
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond)) / float64(time.Millisecond)
}
