// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestCubicFindsRate has slow start end on a path of 40 Mbit/s, which becomes one
// of 100 Mbit/s: congestion avoidance alone has to find out.
func TestCubicFindsRate(t *testing.T) {
	b := newBulk(t, 20, 100*time.Millisecond)
	b.receive(2 * time.Second)
	b.setRate(60)
	b.receive(9 * time.Second)
	if rate := b.receive(time.Second); rate < 0.85*60 {
		t.Errorf("%.1f Mbit/s of 60 after 10 s, window %.0f", rate, b.window())
	}
}

// TestCubicAfterLoss loses a single segment. The window is what it was before when
// the time K is over: RFC 9438, figures 1 and 2.
func TestCubicAfterLoss(t *testing.T) {
	const beta, c = 0.7, 0.4 // RFC 9438, sections 4.6 and 5
	b := newBulk(t, 50, 100*time.Millisecond)
	b.receive(2 * time.Second)
	before := b.window()
	b.lose.Store(true)
	b.receive(300 * time.Millisecond)
	if w, want := b.window(), beta*before; math.Abs(w-want) > 0.1*before {
		t.Fatalf("window is %.0f after a loss, want about %.0f", w, want)
	}
	k := math.Cbrt(before * (1 - beta) / c)
	b.receive(time.Duration(k * float64(time.Second)))
	if w := b.window(); w < 0.95*before || w > 1.1*before {
		t.Errorf("window is %.0f after K = %.1f s, want about %.0f", w, k, before)
	}
}

// bulk is an endless upload by CUBIC, without migration; rates are in Mbit/s.
type bulk struct {
	t              *testing.T
	net            *simnet.Multihomed
	client, server *Conn
	lose           atomic.Bool // the next segment with data
}

var _ simnet.Box = (*bulk)(nil)

func newBulk(t *testing.T, rate int64, rtt time.Duration) *bulk {
	t.Helper()
	up := wire(rtt / 2)
	up.Rate, up.Queue = rate*simnet.Mbit, 1<<20
	r := newRig(t, simnet.MultihomedConfig{
		Seed:    1,
		Uplinks: []simnet.Uplink{{Link: simnet.Symmetric(up)}},
	}, netstack.Config{CongestionControl: netstack.CUBIC})
	r.dialer.Migration, r.listen.Migration = Off, Off
	b := &bulk{t: t, net: r.net}
	b.client, b.server = r.pair(serverAddr)
	r.net.Uplinks[0].Use(b)
	go func() {
		// Ended with the connection.
		content(b.client, 1, math.MaxInt64)
	}()
	return b
}

// Process implements simnet.Box.
func (b *bulk) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	s, ok := p.TCP()
	if ok && at.Dir == simnet.AtoB && len(s.Payload()) > 0 && b.lose.CompareAndSwap(true, false) {
		return simnet.Drop
	}
	return simnet.Pass
}

func (b *bulk) setRate(rate int64) {
	l := b.net.Uplinks[0]
	for _, d := range []simnet.Direction{simnet.AtoB, simnet.BtoA} {
		w := l.Wire(d)
		w.Rate = rate * simnet.Mbit
		l.SetWire(d, w)
	}
}

// receive takes what arrives within d and returns how fast that was.
func (b *bulk) receive(d time.Duration) float64 {
	b.t.Helper()
	clock := b.net.Clock
	var n int64
	for end := clock.Elapsed() + d; clock.Elapsed() < end; {
		m, err := io.CopyN(io.Discard, b.server, 64<<10)
		if err != nil {
			b.t.Fatal(err)
		}
		n += m
	}
	return float64(n) * 8 / 1e6 / d.Seconds()
}

// window returns the congestion window, in segments.
func (b *bulk) window() float64 { return float64(b.client.TCPInfo().CongestionWindow) }
