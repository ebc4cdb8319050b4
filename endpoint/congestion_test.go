// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestCubicFindsRate has slow start end on a path of 40 Mbit/s, which becomes one
// of 100 Mbit/s: congestion avoidance alone has to find out.
func TestCubicFindsRate(t *testing.T) {
	skipShort(t)
	b := newBulk(t, netstack.CUBIC, deep(20))
	b.receive(2 * time.Second)
	b.setRate(60)
	b.receive(9 * time.Second)
	if rate := b.receive(time.Second); rate < 0.85*60 {
		t.Errorf("%.1f Mbit/s of 60 after 10 s, window %.0f", rate, b.window())
	}
}

// TestCubicAfterLoss loses a single segment. The window has its former size when the
// time K is over: RFC 9438, figures 1 and 2.
func TestCubicAfterLoss(t *testing.T) {
	skipShort(t)
	const beta, c = 0.7, 0.4 // RFC 9438, sections 4.6 and 5
	b := newBulk(t, netstack.CUBIC, deep(50))
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

// TestCubicLikeReno: CUBIC performs as well as Reno where that does well enough,
// RFC 9438, section 4.3. With MNET_SOAK, it measures other paths as well.
func TestCubicLikeReno(t *testing.T) {
	skipShort(t)
	for _, path := range []struct {
		rate int64 // Mbit/s
		rtt  time.Duration
		loss float64
		soak bool
	}{
		{50, 40 * time.Millisecond, 0.01, false},
		{50, 40 * time.Millisecond, 0.001, true},
		{50, 40 * time.Millisecond, 0, true},
		{100, 40 * time.Millisecond, 0.01, true},
		{100, 40 * time.Millisecond, 0.001, true},
		{100, 40 * time.Millisecond, 0, true},
		{100, 10 * time.Millisecond, 0.01, true},
		{100, 10 * time.Millisecond, 0.001, true},
		{100, 10 * time.Millisecond, 0, true},
	} {
		if path.soak && !soaking() {
			continue
		}
		t.Run(fmt.Sprintf("%d Mbit, RTT %v, loss %g %%", path.rate, path.rtt, path.loss*100), func(t *testing.T) {
			w := wire(path.rtt / 2)
			w.Rate, w.Loss = path.rate*simnet.Mbit, path.loss
			rate := map[string]float64{}
			for _, cc := range []string{netstack.CUBIC, netstack.Reno} {
				t.Run(cc, func(t *testing.T) {
					rate[cc] = newBulk(t, cc, w).receive(20 * time.Second)
					t.Logf("%.1f Mbit/s", rate[cc])
				})
			}
			if cubic, reno := rate[netstack.CUBIC], rate[netstack.Reno]; cubic < 0.9*reno {
				t.Errorf("CUBIC has %.1f Mbit/s, Reno %.1f", cubic, reno)
			}
		})
	}
}

// deep is a wire with a rate in Mbit/s, for an RTT of 100 ms. At that RTT, Reno grows
// more slowly than CUBIC. The queue has room for all that slow start sends.
func deep(rate int64) simnet.Wire {
	return simnet.Wire{Delay: 50 * time.Millisecond, Rate: rate * simnet.Mbit, Queue: 1 << 20}
}

// bulk is an endless upload without migration; rates are in Mbit/s.
type bulk struct {
	t              *testing.T
	net            *simnet.Multihomed
	client, server *Conn
	lose           atomic.Bool // the next segment with data
}

var _ simnet.Box = (*bulk)(nil)

// newBulk begins to upload over a wire, which loses no ACKs.
func newBulk(t *testing.T, cc string, up simnet.Wire) *bulk {
	t.Helper()
	down := up
	down.Loss = 0
	r := newRig(t, rigConfig{
		seed:    1,
		uplinks: []simnet.Uplink{{Link: simnet.LinkConfig{AtoB: up, BtoA: down}}},
		client:  netstack.Config{CongestionControl: cc},
		server:  netstack.Config{CongestionControl: cc},
	})
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

// receive takes the data that arrives within d and returns its rate.
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

// TestRenoFlightSize loses a packet on a path that has reordered one before. RACK then
// takes its time until it declares the loss, while SACKs come, and the sender has
// nothing more to send. Reno sets ssthresh to half of FlightSize (RFC 5681, equation
// 4), which includes SACKed packets.
func TestRenoFlightSize(t *testing.T) {
	const (
		late, lost, last = 300, 801, 1000 // packets, by number
		want             = (last - lost + 1) / 2
	)
	cfg := bigBuffers()
	cfg.CongestionControl = netstack.Reno
	w := simnet.Wire{Delay: delay, Rate: 50 * simnet.Mbit, Queue: 4 << 20}
	r := newRig(t, rigConfig{seed: 1, uplinks: []simnet.Uplink{{Link: simnet.Symmetric(w)}}, client: cfg, server: cfg})
	r.dialer.Migration, r.listen.Migration = Off, Off
	c, s := r.pair(serverAddr)
	seen := make(map[uint32]bool) // by sequence number
	r.net.Uplinks[0].Use(simnet.TCPFilter(func(s header.TCP, d simnet.Direction, _ int) simnet.Verdict {
		seq := s.SequenceNumber()
		if d != simnet.AtoB || len(s.Payload()) == 0 || seen[seq] {
			return simnet.Pass
		}
		seen[seq] = true
		switch len(seen) {
		case late:
			return simnet.Delay(500 * time.Microsecond) // two others overtake it
		case lost:
			return simnet.Drop
		}
		return simnet.Pass
	}))
	if _, err := c.Write(make([]byte, last*fullSegment)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, s, last*fullSegment); err != nil {
		t.Fatal(err)
	}
	r.sleep(time.Second) // until the last acknowledgement has come
	if got := c.TCPInfo().CongestionWindow; got < want-2 || got > want+2 {
		t.Errorf("window of %d packets after a loss with %d in flight, want about %d", got, last-lost+1, want)
	}
}
