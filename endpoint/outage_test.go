// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// arrivals reads from c and tells when data came, in virtual time.
type arrivals struct {
	clock *simnet.Clock
	at    []time.Duration
	n     []int
}

func (a *arrivals) Write(b []byte) (int, error) {
	a.at = append(a.at, a.clock.Elapsed())
	a.n = append(a.n, len(b))
	return len(b), nil
}

// from returns the longest time without an arrival from t on, and how long it
// took until bytes more had come.
func (a *arrivals) from(t time.Duration, bytes int) (stall, all time.Duration) {
	last := t
	for i, at := range a.at {
		if at <= t {
			continue
		}
		stall = max(stall, at-last)
		last = at
		if bytes -= a.n[i]; bytes <= 0 {
			return stall, at - t
		}
	}
	return stall, 0
}

// bulk has src send size bytes to dst, breaks the uplink after before, and moves the
// client. It returns how long no data arrived, and how long it took until the next 1 MB
// had arrived.
func (r *rig) bulk(src, dst, client *Conn, size int64, before time.Duration) (outage, next time.Duration) {
	r.tb.Helper()
	clock := r.net.Clock
	go func() {
		content(src, 1, size)
		src.CloseWrite()
	}()
	var broke time.Duration
	moved := make(chan error, 1)
	go func() {
		clock.Sleep(before)
		broke = clock.Elapsed()
		r.breakUplink(0)
		moved <- client.Migrate(context.Background(), addr("10.2.0.2"))
	}()
	a := &arrivals{clock: clock}
	n, err := io.Copy(struct{ io.Writer }{a}, dst)
	if err := <-moved; err != nil {
		r.tb.Fatal(err)
	}
	if n != size || err != nil {
		r.tb.Fatalf("%d of %d bytes, %v", n, size, err)
	}
	return a.from(broke, 1<<20)
}

// TestOutageBulk bounds the outage of break before make by the floor of a
// three-way handshake, 2 RTT for a download and 1.5 for an upload.
func TestOutageBulk(t *testing.T) {
	for _, test := range []struct {
		name  string
		up    bool
		bound float64 // RTTs
	}{
		{"download", false, 2.2},
		{"upload", true, 1.8},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, rigConfig{seed: 1, paced: true})
			c, s := r.pair(serverAddr)
			r.await(c, s)
			src, dst := s, c
			if test.up {
				src, dst = c, s
			}
			outage, next := r.bulk(src, dst, c, 6<<20, 700*time.Millisecond)
			rtts := float64(outage) / float64(baseRTT)
			t.Logf("outage %v, %.2f RTT; next 1 MB after %v", outage, rtts, next)
			if rtts > test.bound {
				t.Errorf("outage of %.2f RTT, want at most %.1f", rtts, test.bound)
			}
			if next > time.Second {
				t.Errorf("next 1 MB after %v, want at most 1 s", next)
			}
		})
	}
}
