// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// lossTimes bounds how often in a row a test loses a segment. lossPatience is the time
// that this may take: a probe (RFC 8985, section 7.3) and two time-outs. The second of
// these is doubled (RFC 6298, section 5.5).
const (
	lossTimes    = 3
	lossPatience = 2 * time.Second
)

// TestTailLoss loses one or two segments of an upload, which starts loss recovery. Then
// it loses the last data or the FIN, which are sent before that recovery is over. Each
// lost segment has to be sent again, as often as it is lost.
func TestTailLoss(t *testing.T) {
	// Two segments more than the initial window (RFC 6928) go out in recovery.
	const window, last, fin = 10, 12, 13
	for first := 1; first <= window; first++ {
		for second := first; second <= window; second++ {
			for _, tail := range []int{last, fin} {
				for times := 1; times <= lossTimes; times++ {
					t.Run(fmt.Sprintf("%d and %d once, %d %dx", first, second, tail, times), func(t *testing.T) {
						u := newUpload(t, map[int]int{first: 1, second: 1, tail: times})
						u.send(last)
						if n := u.finish(); n != fin {
							t.Errorf("sent %d segments, want %d", n, fin)
						}
					})
				}
			}
		}
	}
}

// TestFINOutOfOrder loses data in front of a FIN that arrives. The receiver has kept
// the FIN, and must not ask for it again.
func TestFINOutOfOrder(t *testing.T) {
	const data, fin = 1, 3
	u := newUpload(t, map[int]int{data: 1})
	u.send(fin - 1)
	u.finish()
	for n, want := range map[int]int{data: 2, fin: 1} {
		if got := u.transmissions(n); got != want {
			t.Errorf("segment %d was sent %d times, want %d", n, got, want)
		}
	}
}

// TestLossWhilePeerSends loses a request on a connection that carries a
// download: segments that acknowledge nothing must not put off its timer.
func TestLossWhilePeerSends(t *testing.T) {
	for times := 1; times <= lossTimes; times++ {
		t.Run(fmt.Sprintf("%dx", times), func(t *testing.T) {
			u := newUpload(t, map[int]int{1: times})
			// Slow, but many segments come in each time-out.
			u.uplink.SetWire(simnet.BtoA, simnet.Wire{Delay: baseRTT / 2, Rate: 10 * simnet.Mbit, Queue: 32 << 10})
			go func() {
				// Ended with the connection, like the reader below.
				content(u.server, 1, 1<<30)
			}()
			if _, err := io.CopyN(io.Discard, u.client, 256<<10); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, u.client)
			u.send(1)
			u.finish()
		})
	}
}

// TestProbeWhilePeerSends loses the last two of three segments, while the peer sends all
// the time. The loss probe leaves two round trips after the acknowledgement of the first
// (RFC 8985, section 7.2), and recovery takes one more. Segments that acknowledge nothing
// must not put the probe off until the retransmission timeout, which is 200 ms at least.
func TestProbeWhilePeerSends(t *testing.T) {
	u := newUpload(t, map[int]int{2: 1, 3: 1})
	var stop atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for !stop.Load() {
			if _, err := u.server.Write(make([]byte, 64)); err != nil {
				t.Error(err)
				return
			}
			u.clock.Sleep(5 * time.Millisecond)
		}
	}()
	defer func() { stop.Store(true); <-stopped }()
	go io.Copy(io.Discard, u.client) // until the connection ends
	u.clock.Sleep(time.Second)
	begin := u.clock.Elapsed()
	u.send(3)
	if _, err := io.CopyN(io.Discard, u.server, u.size); err != nil {
		t.Fatal(err)
	}
	if took, limit := u.clock.Elapsed()-begin, baseRTT+200*time.Millisecond; took >= limit {
		t.Errorf("took %v, want less than %v", took, limit)
	}
}

// fullSegment is the payload of a full segment on a path for 1500 bytes. gVisor leaves room
// for all options that a segment could have.
const fullSegment = 1500 - header.IPv4MinimumSize - header.TCPMinimumSize - header.TCPOptionsMaximumSize

// upload is a connection from a client whose segments are lost by number. Numbers begin
// at 1, in the order in which the segments are sent for the first time, the FIN
// included.
type upload struct {
	t              testing.TB
	clock          *simnet.Clock
	uplink         *simnet.Link
	client, server *Conn
	size           int64 // bytes written

	mu     sync.Mutex
	lose   map[int]int    // how many transmissions are lost, by number
	number map[uint32]int // by sequence number
	sent   map[int]int    // transmissions, by number
}

var _ simnet.Box = (*upload)(nil)

func newUpload(t *testing.T, lose map[int]int) *upload {
	t.Helper()
	return newUploadOn(newRig(t, rigConfig{seed: 1, paced: true}), lose)
}

// newUploadOn is newUpload on a rig.
func newUploadOn(r *rig, lose map[int]int) *upload {
	r.dialer.Migration, r.listen.Migration = Off, Off
	u := &upload{t: r.tb, clock: r.net.Clock, uplink: r.net.Uplinks[0], lose: lose, number: map[uint32]int{}, sent: map[int]int{}}
	u.client, u.server = r.pair(serverAddr)
	u.uplink.Use(u)
	return u
}

// Process implements simnet.Box.
func (u *upload) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	s, ok := p.TCP()
	if !ok || at.Dir != simnet.AtoB || len(s.Payload()) == 0 && !s.Flags().Contains(header.TCPFlagFin) {
		return simnet.Pass
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	n, ok := u.number[s.SequenceNumber()]
	if !ok {
		n = len(u.number) + 1
		u.number[s.SequenceNumber()] = n
	}
	u.sent[n]++
	if u.sent[n] <= u.lose[n] {
		return simnet.Drop
	}
	return simnet.Pass
}

func (u *upload) transmissions(n int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent[n]
}

// send writes as much as fills the given number of segments.
func (u *upload) send(segments int) {
	u.t.Helper()
	n, err := u.client.Write(make([]byte, segments*fullSegment))
	if err != nil {
		u.t.Fatal(err)
	}
	u.size += int64(n)
}

// finish ends the upload, waits until all of it has arrived, and returns of how
// many segments it was.
func (u *upload) finish() int {
	u.t.Helper()
	u.server.SetReadDeadline(u.clock.Now().Add(lossPatience))
	if err := u.client.CloseWrite(); err != nil {
		u.t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, u.server); err != nil || n != u.size {
		u.t.Errorf("got %d of %d bytes, %v", n, u.size, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.number)
}

// TestLossOfRetransmission loses the first segment a second time. The peer SACKs
// the retransmission of another, which was sent after that: no timeout is needed. Nor
// is one if that SACK has a block with news below another block without.
func TestLossOfRetransmission(t *testing.T) {
	const last = 8
	for name, lose := range map[string]map[int]int{
		"one hole":  {1: 2, 3: 1},
		"two holes": {1: 2, 3: 1, 5: 2},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpload(t, lose)
			u.send(last)
			u.finish()
			for n, lost := range lose {
				if got, want := u.transmissions(n), lost+1; got != want {
					t.Errorf("segment %d was sent %d times, want %d", n, got, want)
				}
			}
			if n := u.client.stack.GVisor().Stats().TCP.Timeouts.Value(); n != 0 {
				t.Errorf("%d timeouts", n)
			}
		})
	}
}
