// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// TestOutageWhileWriting takes the path for 2 s from an application that goes on
// writing. Segments that are sent meanwhile must not put off the retransmission of
// earlier ones.
func TestOutageWhileWriting(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: Manual})
	w := newWriter(r.rig)
	w.write(openingTime)
	r.net.Uplinks[0].SetDown(true)
	w.until("unanswered", time.Second, func() bool { return w.client.TCPInfo().Unanswered > 0 })
	w.write(1500 * time.Millisecond)
	if n := w.client.TCPInfo().Unanswered; n < 3 {
		t.Errorf("%d retransmissions in 2 s without a path, want 3", n)
	}
	r.net.Uplinks[0].SetDown(false)
	missing := w.written
	// The timeout has been doubled three times, from 200 ms to 1.6 s.
	w.until("repeated", 2*time.Second, func() bool { return w.arrived.Load() >= missing })
}

// TestRoamWhileWriting takes the path forever.
func TestRoamWhileWriting(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	w := newWriter(r.rig)
	w.write(openingTime)
	r.net.Uplinks[0].SetDown(true)
	w.until("moved", 4*time.Second, func() bool { return len(r.events.moves()) > 0 })
	if cause := r.events.moves()[0].Cause; cause != roam.PathDead {
		t.Errorf("moved because of %v, want %v", cause, roam.PathDead)
	}
	missing := w.written
	w.until("repeated", time.Second, func() bool { return w.arrived.Load() >= missing })
}

// openingTime is long enough for the congestion window to outgrow the writes of the
// tests: the writer never stops sending.
const openingTime = 10 * time.Second

// writer is an application that writes a little all the time.
type writer struct {
	*rig
	client  *Conn
	written int64
	arrived atomic.Int64
}

func newWriter(r *rig) *writer {
	c, s := r.open(serverAddr)
	w := &writer{rig: r, client: c}
	go func() {
		// Ended with the connection.
		io.Copy(w, s)
	}()
	return w
}

// Write counts the data that has arrived.
func (w *writer) Write(b []byte) (int, error) {
	w.arrived.Add(int64(len(b)))
	return len(b), nil
}

// write goes on for d.
func (w *writer) write(d time.Duration) {
	w.tb.Helper()
	clock := w.net.Clock
	for end := clock.Elapsed() + d; clock.Elapsed() < end; {
		w.step()
	}
}

// until goes on until cond is true, or fails the test.
func (w *writer) until(what string, limit time.Duration, cond func() bool) {
	w.tb.Helper()
	clock := w.net.Clock
	for end := clock.Elapsed() + limit; !cond(); {
		if clock.Elapsed() > end {
			w.tb.Fatalf("not %s after %v; %+v", what, limit, w.client.TCPInfo())
		}
		w.step()
	}
}

func (w *writer) step() {
	w.tb.Helper()
	n, err := w.client.Write(make([]byte, 64))
	if err != nil {
		w.tb.Fatal(err)
	}
	w.written += int64(n)
	w.sleep(20 * time.Millisecond)
}
