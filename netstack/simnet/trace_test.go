// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// traced runs a transfer over a lossy network and returns its trace's digest.
func traced(t *testing.T, seed uint64) string {
	t.Helper()
	wire := Wire{
		Delay: 20 * time.Millisecond, Rate: 50 * Mbit, Loss: 0.01,
		Duplicate: 0.01, Reorder: 0.01, ReorderDelay: 5 * time.Millisecond,
	}
	m := NewMultihomed(MultihomedConfig{
		Seed:       seed,
		Uplinks:    []Uplink{{NAT: &NATConfig{}}, {}},
		Bottleneck: Symmetric(wire),
	})
	rec := NewRecorder(0)
	for _, l := range append(m.Uplinks, m.Bottleneck) {
		l.Record(rec)
	}
	a, b := stackOf(t, m.Client), stackOf(t, m.Server)
	defer a.Destroy()
	defer b.Destroy()
	data := payload(256 << 10)
	port := uint16(80)
	for _, from := range m.Client.Interfaces() {
		for _, p := range from.Prefixes() {
			to := serverAddr.Addr()
			if p.Addr().Is6() {
				to = server6.Addr()
			}
			port++
			at := netip.AddrPortFrom(to, port)
			ln, conn := listen(t, b, at), dial(t, a, p.Addr(), at)
			transfer(t, m.Network, conn, ln, data, time.Minute)
			conn.ep.Close()
		}
	}
	m.Clock.RunFor(5 * time.Minute) // past TIME-WAIT
	if rec.Count() < 4*uint64(len(data))/1500 {
		t.Fatalf("only %d packets recorded", rec.Count())
	}
	return rec.Digest()
}

// TestDeterminism checks that a stepped network repeats itself bit for bit.
func TestDeterminism(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var digests []string
	for _, procs := range []int{1, 2, 2} {
		runtime.GOMAXPROCS(procs)
		digests = append(digests, traced(t, 1))
	}
	for _, d := range digests {
		if d != digests[0] {
			t.Errorf("digests differ: %q", digests)
			break
		}
	}
	if traced(t, 2) == digests[0] {
		t.Error("another seed gives the same trace")
	}
}

func TestRecorder(t *testing.T) {
	p := NewPair(1, Symmetric(Wire{Delay: 10 * time.Millisecond}))
	p.Link.Use(TCPFilter(func(_ header.TCP, d Direction, n int) Verdict {
		if d == BtoA && n == 1 {
			p.Link.SetDown(true) // loses the SYN-ACK
			p.Clock.AfterFunc(time.Millisecond, func() { p.Link.SetDown(false) })
		}
		return Pass
	}))
	rec := NewRecorder(6)
	a, b := newStack(t, p.A), newStack(t, p.B)
	p.Clock.RunFor(time.Minute) // past the multicast of IPv6
	p.Link.Record(rec)
	at := netip.AddrPortFrom(PairB4.Addr(), 80)
	listen(t, b, at)
	dial(t, a, netip.Addr{}, at)
	p.Clock.RunFor(10 * time.Second)
	if rec.Count() < 6 || len(rec.Records()) != 6 {
		t.Errorf("%d packets counted, %d kept", rec.Count(), len(rec.Records()))
	}
	for _, want := range []string{
		"60.000000 a>b 10.0.0.1:", " > 10.0.0.2:80 SYN seq ", " win 29184 [mss 1460 sackOK ts ", " ws 7]\n",
		"60.010000 b>a 10.0.0.2:80 > 10.0.0.1:", " SYN-ACK seq ", "(down)\n",
	} {
		if !strings.Contains(rec.String(), want) {
			t.Errorf("no %q in\n%s", want, rec)
		}
	}
	diagram := rec.Mermaid()
	for _, want := range []string{
		"sequenceDiagram\n    a->>b: 60.000 s SYN seq 0 win",
		"\n    b-xa: 60.010 s SYN-ACK seq 0 ack 1 win",
		"\n    b->>a: 61.010 s SYN-ACK seq 0 ack 1 win",
		"\n    a->>b: 61.020 s ACK seq 1 ack 1 win",
	} {
		if !strings.Contains(diagram, want) {
			t.Errorf("no %q in\n%s", want, diagram)
		}
	}
	before := rec.Digest()
	p.Link.Record(nil)
	dial(t, a, netip.Addr{}, at)
	p.Clock.RunFor(10 * time.Second)
	if rec.Digest() != before {
		t.Error("recorded after the end of the recording")
	}
}
