// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/measure"
	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// benchDelay is the delay of the wire, one way.
const benchDelay = 10 * time.Millisecond

// bench runs a measurement and returns its report, and how many intervals were told.
func (p *pair) bench(t *testing.T, req BenchRequest) (*BenchReport, int) {
	t.Helper()
	req.Address = net.JoinHostPort(serverAddr, "5201")
	var (
		report    *BenchReport
		start     *BenchStart
		intervals int
	)
	err := p.client.Bench(newContext(t), req, func(ev BenchEvent) error {
		switch {
		case ev.Start != nil:
			start = ev.Start
		case ev.Interval != nil:
			intervals++
		default:
			report = ev.Report
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if start == nil || len(start.Connections) != req.Parallel {
		t.Fatalf("start: %+v", start)
	}
	for _, c := range start.Connections {
		if c.RTTMS < stats.Milliseconds(2*benchDelay) {
			t.Errorf("RTT %v ms, less than the wire's", c.RTTMS)
		}
	}
	return report, intervals
}

func (p *pair) serveBench(t *testing.T) {
	t.Helper()
	svc, err := p.server.ServeBench(DefaultBenchPort, false)
	must(t, err)
	t.Cleanup(svc.Close)
}

func TestBenchMoves(t *testing.T) {
	needPatched(t)
	p := newPair(t, benchDelay)
	p.serveBench(t)
	const moves, conns = 3, 2
	for _, mode := range []measure.Mode{measure.Upload, measure.Download, measure.Interactive} {
		t.Run(string(mode), func(t *testing.T) {
			rep, intervals := p.bench(t, BenchRequest{Mode: mode, Duration: 1500 * time.Millisecond, Parallel: conns, Migrations: moves})
			if rep.Bytes == 0 || rep.Asked != moves*conns || rep.Migrations < conns || rep.Failed != 0 || intervals == 0 {
				t.Fatalf("%d intervals, %+v", intervals, rep)
			}
			for _, m := range rep.Moves {
				if m.From == m.To || m.From.Addr() != m.To.Addr() {
					t.Errorf("moved from %v to %v, want another port", m.From, m.To)
				}
				if m.TookMS < stats.Milliseconds(2*benchDelay) {
					t.Errorf("a move took %v ms, less than a round trip", m.TookMS)
				}
				// In place, the old path works until the move is done. Data that is
				// sent again costs a round trip. A busy machine costs more.
				if m.OutageMS > stats.Milliseconds(patience)/10 {
					t.Errorf("outage %v ms", m.OutageMS)
				}
			}
			if (rep.MessageMS != nil) != (mode == measure.Interactive) {
				t.Errorf("messages: %v", rep.MessageMS)
			}
			if rep.MessageMS != nil && rep.MessageMS.Median < stats.Milliseconds(2*benchDelay) {
				t.Errorf("messages take %v ms there and back", rep.MessageMS.Median)
			}
		})
	}
}

// blackout loses every packet for a while from the first SYN on that asks for a move.
type blackout struct {
	d time.Duration

	mu    sync.Mutex
	ports map[uint16]bool // that SYNs came from
	since time.Time
}

// tap is for a wire whose first end is the one that moves.
func (b *blackout) tap(d kernel.Direction, packet []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if tcp, ok := clientTCP(d, packet); ok && tcp.Flags()&(header.TCPFlagSyn|header.TCPFlagAck) == header.TCPFlagSyn {
		b.ports[tcp.SourcePort()] = true
		if len(b.ports) == 2 && b.since.IsZero() { // the first opened the connection
			b.since = time.Now()
		}
	}
	return b.since.IsZero() || time.Since(b.since) > b.d
}

func clientTCP(d kernel.Direction, packet []byte) (header.TCP, bool) {
	ip := header.IPv4(packet)
	if d != kernel.AtoB || header.IPVersion(packet) != header.IPv4Version || ip.TransportProtocol() != header.TCPProtocolNumber {
		return nil, false
	}
	return header.TCP(ip.Payload()), true
}

// TestBenchSeesOutage moves while the wire loses everything: that is the outage of
// that move, whichever end receives.
func TestBenchSeesOutage(t *testing.T) {
	needPatched(t)
	const dark = 600 * time.Millisecond
	for _, mode := range []measure.Mode{measure.Upload, measure.Download, measure.Interactive} {
		t.Run(string(mode), func(t *testing.T) {
			b := &blackout{d: dark, ports: make(map[uint16]bool)}
			p := newPairOver(t, kernel.WireConfig{Delay: benchDelay, Tap: b.tap})
			p.serveBench(t)
			rep, _ := p.bench(t, BenchRequest{Mode: mode, Duration: 5 * time.Second, Parallel: 1, Migrations: 1})
			if rep.Migrations != 1 {
				t.Fatalf("%+v", rep)
			}
			// Data on the wire, or data that waited for the application, arrives in
			// the first moments. On a busy machine these may be long.
			least := stats.Milliseconds(dark / 2)
			if m := rep.Moves[0]; m.OutageMS < least || rep.OutageMS.Max != m.OutageMS || m.OutageRTT <= 0 {
				t.Errorf("outage %v ms, want at least %v: %+v", m.OutageMS, least, rep)
			}
			t.Logf("outage %.1f ms", rep.OutageMS.Max)
		})
	}
}

// TestBenchTo moves between two addresses.
func TestBenchTo(t *testing.T) {
	needPatched(t)
	p := newPair(t, benchDelay)
	p.serveBench(t)
	second := netip.MustParsePrefix("10.1.0.3/24")
	must(t, p.client.AddAddress(second))
	rep, _ := p.bench(t, BenchRequest{
		Mode: measure.Upload, Duration: 3 * time.Second, Parallel: 1, Migrations: 2, To: second.Addr(),
	})
	if len(rep.Moves) != 2 || rep.Failed > 0 {
		t.Fatalf("%+v", rep)
	}
	if there, back := rep.Moves[0].To.Addr(), rep.Moves[1].To.Addr(); there != second.Addr() || back != rep.Moves[0].From.Addr() {
		t.Errorf("moved to %v and to %v", there, back)
	}
}

func TestBenchRefused(t *testing.T) {
	p := newPair(t, 0)
	for _, tt := range []struct {
		name string
		req  BenchRequest
		want string
	}{
		{"no time", BenchRequest{Parallel: 1}, "more than 0"},
		{"for ever", BenchRequest{Parallel: 1, Duration: measure.MaxDuration + 1}, "at most 1h"},
		{"no connection", BenchRequest{Duration: time.Second}, "0 connections"},
		{"too many", BenchRequest{Duration: time.Second, Parallel: MaxBenchConns + 1}, "want 1 to 16"},
		{"moves too fast", BenchRequest{Duration: time.Second, Parallel: 1, Migrations: 100}, "one every 50ms"},
		{"moves nowhere", BenchRequest{Duration: time.Second, Parallel: 1, To: netip.MustParseAddr("10.1.0.3")}, "no migrations"},
	} {
		tt.req.Address = "10.2.0.2:5201"
		err := p.client.Bench(newContext(t), tt.req, func(BenchEvent) error { return nil })
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// Nobody listens.
	err := p.client.Bench(newContext(t), BenchRequest{Address: "10.2.0.2:5201", Mode: measure.Upload, Duration: time.Second, Parallel: 1},
		func(BenchEvent) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Error(err)
	}
}

// TestBenchEnds has the receiver of the results go away: nothing of the measurement is
// left.
func TestBenchEnds(t *testing.T) {
	p := newPair(t, 0)
	p.serveBench(t)
	gone := errors.New("gone")
	req := BenchRequest{Address: "10.2.0.2:5201", Mode: measure.Download, Duration: time.Hour, Parallel: 2}
	err := p.client.Bench(newContext(t), req, func(ev BenchEvent) error {
		if ev.Interval != nil {
			return gone
		}
		return nil
	})
	if !errors.Is(err, gone) {
		t.Error(err)
	}
	if open := p.client.Status().Connections; len(open) > 0 {
		t.Errorf("open: %+v", open)
	}
	if n := p.client.host.Stack.GVisor().Stats().TCP.CurrentEstablished.Value(); n != 0 {
		t.Errorf("%d connections linger", n)
	}

	ctx, cancel := context.WithCancel(newContext(t))
	cancel()
	if err := p.client.Bench(ctx, req, func(BenchEvent) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
