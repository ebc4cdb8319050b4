// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// lateBytes take 160 ms to leave the old path's queue; the connection leaves that
// path within 60 ms.
const lateBytes = 200_000

// leaving is a connection that moves away from a path with a queue.
type leaving struct {
	*victim
	src, dst *Conn // of the data in that queue
	repeats  repeats
}

// newLeaving returns a connection whose client, if up, or server has a congestion
// window for lateBytes.
func newLeaving(t *testing.T, cfg rigConfig, mtu int, up bool) *leaving {
	t.Helper()
	wire := simnet.Wire{Delay: delay, Rate: 10 * simnet.Mbit, Queue: 1 << 20}
	other := simnet.LinkConfig{AtoB: wire, BtoA: wire, MTU: mtu}
	cfg.uplinks = []simnet.Uplink{{Link: simnet.Symmetric(wire)}, {Link: other}, {Link: other}}
	l := &leaving{victim: newVictim(t, cfg, migrate.SuiteX25519SHA256)}
	l.src, l.dst = l.s, l.c
	if up {
		l.src, l.dst = l.c, l.s
	}
	const warmUp = 1 << 20
	go content(l.src, 1, warmUp)
	if _, err := io.CopyN(io.Discard, l.dst, warmUp); err != nil {
		t.Fatal(err)
	}
	for _, u := range l.net.Uplinks {
		u.Use(&l.repeats)
	}
	return l
}

// TestHandoverLate does to a connection what can happen while data that it has sent
// on the old path, and a FIN behind it, is late.
//
// M674: Late data MUST be taken for lost after a time that counts from the move. It is
// SRTT + 4 · RTTVAR of the old path, plus the RTT of the new path (InitialRTO if unknown).
//
// M676: Lost late data MUST be sent again before new data, as far as the windows
// allow, in segments of the new path's MSS. It is no sign of congestion on the new
// path.
//
// M677: A retransmission time-out on the new path MUST end the lateness of all data.
// So MUST another move and the end of the connection.
func TestHandoverLate(t *testing.T) {
	const mtu = 1280
	lose := func(l *leaving) { l.net.Uplinks[0].SetDown(true) }
	for _, test := range []struct {
		name string
		mtu  int // of the new path, if not as that of the old
		then func(*leaving)
		// within is how long it may take until all has arrived. twice is how much of it
		// may be sent again.
		within time.Duration
		twice  int
	}{
		{"nothing", 0, func(*leaving) {}, 250 * time.Millisecond, 0},
		{"lost", 0, lose, time.Second, lateBytes},
		{"lost, smaller MTU", mtu, lose, time.Second, lateBytes},
		// Nobody knows what is late on the path before the last one.
		{"another move", 0, func(l *leaving) { l.migrate(l.c, "10.1.0.2") }, time.Second, lateBytes},
		{"lost, another move", 0, func(l *leaving) {
			lose(l)
			l.migrate(l.c, "10.3.0.2")
		}, time.Second, lateBytes},
		{"hold", 0, func(l *leaving) {
			lose(l)
			l.sleep(2 * delay) // until the server has moved
			l.mallory.plays(resetOf(l.s))
			if !l.s.Migration().Holding {
				l.tb.Error("not holding")
			}
			l.sleep(time.Second)
			l.migrate(l.c, "10.3.0.2")
		}, 2 * time.Second, lateBytes},
	} {
		for _, up := range []bool{false, true} {
			name := test.name + ", download"
			if up {
				name = test.name + ", upload"
			}
			t.Run(name, func(t *testing.T) {
				l := newLeaving(t, rigConfig{}, test.mtu, up)
				begin := l.net.Clock.Elapsed()
				data := newStream(l.src, l.dst, 2)
				data.send(t, lateBytes)
				if err := l.src.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				l.inner[1].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
					if _, whole := p.TCP(); !whole {
						t.Errorf("a fragment: %d bytes", len(p.Bytes()))
					}
					return simnet.Pass
				})
				l.migrate(l.c, "10.2.0.2")
				if took := l.net.Clock.Elapsed() - begin; took > 60*time.Millisecond {
					t.Fatalf("moved after %v", took)
				}
				test.then(l)
				data.check(t)
				if took := l.net.Clock.Elapsed() - begin; took > test.within {
					t.Errorf("all arrived after %v, want %v", took, test.within)
				}
				if n := l.repeats.total(); n > test.twice {
					t.Errorf("%d bytes sent twice, want %d", n, test.twice)
				}
				t.Logf("%v, %d bytes sent twice", l.net.Clock.Elapsed()-begin, l.repeats.total())
				l.c.Close()
				l.s.Close()
				l.nothingLeft(t)
			})
		}
	}
}

// TestHandoverSlowStart moves away from a long queue, whose data is late for many round
// trips of the new path. SND.UNA says nothing about the new path meanwhile, so SACKs
// have to open its congestion window.
//
// M672: Until SND.UNA has reached the SND.NXT of the move, a SACK of new data MUST do
// what an ACK would. It restarts the retransmission timer and opens the window.
func TestHandoverSlowStart(t *testing.T) {
	cfg := bigBuffers()
	cfg.CongestionControl = netstack.Reno // without HyStart, to fill the queue
	for _, up := range []bool{false, true} {
		l := newLeaving(t, rigConfig{client: cfg, server: cfg}, 0, up)
		newStream(l.src, l.dst, 2).sending(t, 4<<20)
		l.sleep(10 * time.Millisecond)
		before := l.src.TCPInfo()
		l.migrate(l.c, "10.2.0.2")
		l.sleep(4 * baseRTT)
		now := l.src.TCPInfo()
		if late := before.SndUna + uint32(before.InFlight) - now.SndUna; int32(late) <= 0 {
			t.Fatalf("up %v: nothing is late any more", up)
		}
		if now.CongestionWindow <= 2*tcp.InitialCwnd {
			t.Errorf("up %v: congestion window of %d packets, want more than twice the initial %d", up, now.CongestionWindow, tcp.InitialCwnd)
		}
	}
}

// TestHandoverGated has late data be lost while the client waits, without a word, for an
// answer from somewhere else. The client gives up waiting.
//
// M678: While output is gated or the connection is held, late data MUST NOT be sent.
// The time passes.
func TestHandoverGated(t *testing.T) {
	l := newLeaving(t, rigConfig{}, 0, true)
	data := newStream(l.src, l.dst, 2)
	data.send(t, lateBytes)
	l.migrate(l.c, "10.2.0.2")
	l.net.Uplinks[0].SetDown(true)
	l.net.Uplinks[2].SetDown(true)
	l.sleep(2 * delay) // until the server has moved
	var rec recorder
	l.inner[1].set(rec.Process)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- netstack.MigrationOf(l.c.ep).Leave(ctx, addr("10.3.0.2"), netip.AddrPort{}) }()
	payload := func() (n int) {
		for _, seg := range rec.takes() {
			if seg.dir == simnet.AtoB {
				n += len(seg.Payload())
			}
		}
		return n
	}
	l.sleep(delay)
	payload() // data that was on its way
	l.sleep(time.Second)
	if n := payload(); n > 0 {
		t.Errorf("%d bytes sent meanwhile", n)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	l.sleep(delay + 5*time.Millisecond)
	if payload() == 0 {
		t.Error("nothing is sent when the wait is over")
	}
	data.finish(t)
}

// TestHandoverFoundLost loses nearly all that is in flight, and moves when the sender has
// found that by the last two segments, which arrive.
//
// M675: Data that was found lost before the move MUST stay lost.
func TestHandoverFoundLost(t *testing.T) {
	const size = 40_000
	l := newLeaving(t, rigConfig{}, 0, true)
	data := newStream(l.src, l.dst, 2)
	data.send(t, 1000)
	l.sleep(3 * delay)
	end := sequenceOf(l.c).nxt + size
	l.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if seg, ok := p.TCP(); ok && len(seg.Payload()) > 0 && end-seg.SequenceNumber() > 2*1420 {
			return simnet.Drop
		}
		return simnet.Pass
	})
	var rec recorder
	l.inner[1].set(rec.Process)
	data.send(t, size)
	l.sleep(60 * time.Millisecond) // the SACKs arrive in the middle of the handshake
	l.migrate(l.c, "10.2.0.2")
	rec.takes()
	l.sleep(2 * delay)
	n := 0
	for _, seg := range rec.takes() {
		n += len(seg.Payload())
	}
	if n < 5*1420 {
		t.Errorf("%d bytes sent again", n)
	}
	data.finish(t)
}

// TestHandoverUntold moves while data is in flight on the old path, and the peer cannot
// tell which of it arrives.
//
// M664: Late data needs SACK, RACK and timestamps. Without one of them data in flight
// MUST be taken for missing.
func TestHandoverUntold(t *testing.T) {
	for name, cfg := range map[string]netstack.Config{"SACK": {DisableSACK: true}, "RACK": {DisableRACK: true}} {
		for _, up := range []bool{false, true} {
			l := newLeaving(t, rigConfig{client: cfg, server: cfg}, 0, up)
			data := newStream(l.src, l.dst, 2)
			data.send(t, lateBytes)
			if err := l.src.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			l.migrate(l.c, "10.2.0.2")
			data.check(t)
			if n := l.repeats.total(); n < 10_000 {
				t.Errorf("no %s, up %v: %d bytes sent twice", name, up, n)
			}
		}
	}
}

// TestHandoverWindow moves while late data fills the peer's window.
func TestHandoverWindow(t *testing.T) {
	const buffer = 64 << 10
	b := netstack.BufferSizes{Min: buffer, Default: buffer, Max: buffer}
	cfg := netstack.Config{ReceiveBuffer: b}
	for _, up := range []bool{false, true} {
		l := newLeaving(t, rigConfig{client: cfg, server: cfg}, 0, up)
		sent := make(chan [32]byte)
		go func() {
			sum, _ := content(l.src, 2, 1<<20)
			l.src.CloseWrite()
			sent <- sum
		}()
		l.sleep(10 * time.Millisecond)
		l.migrate(l.c, "10.2.0.2")
		l.sleep(5 * time.Second) // without reading
		// Probes of a zero window are of one byte.
		if n := l.repeats.total(); n > 10 {
			t.Errorf("%d bytes sent twice", n)
		}
		if got := drainHash(l.dst); got.err != nil || got.sum != <-sent {
			t.Errorf("up %v: %d bytes, %v", up, got.n, got.err)
		}
	}
}

// TestHandoverAbort ends connections while data is late.
func TestHandoverAbort(t *testing.T) {
	for _, up := range []bool{false, true} {
		l := newLeaving(t, rigConfig{}, 0, up)
		if _, err := content(l.src, 2, lateBytes); err != nil {
			t.Fatal(err)
		}
		l.migrate(l.c, "10.2.0.2")
		l.sleep(delay)
		l.src.SetLinger(0)
		l.src.Close()
		l.dst.Close()
		l.nothingLeft(t)
	}
}
