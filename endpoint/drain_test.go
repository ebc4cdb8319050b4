// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// slowWire is a wire whose queue takes slowQueue to get empty if slowWindow is in it.
var slowWire = simnet.Wire{Delay: 250 * time.Millisecond, Rate: 2 * simnet.Mbit, Queue: 8 << 20}

const (
	slowWindow = 2_000_000
	slowQueue  = 8 * time.Second

	// drainLimit is when an old tuple is released in any case (docs/protocol.md,
	// maxDrainTime).
	drainLimit = time.Minute
)

// TestDrainSlowQueue moves, make before break, from a path whose queues are full in
// both directions to a fast one. The server hears of it at once, or seconds later. Each
// segment that comes out of the queues belongs to a connection, to the last one. After
// that, nothing is left of the old path.
//
// M624: An old tuple MUST be released maxDrainTime after the move at the latest.
//
// M626: An old tuple MUST NOT be released because all data has arrived.
func TestDrainSlowQueue(t *testing.T) {
	for _, test := range []struct {
		name string
		deaf time.Duration // for which step 4 does not get through
	}{{"at once", 0}, {"server moves late", 5 * time.Second}} {
		t.Run(test.name, func(t *testing.T) {
			buffers := bigBuffers()
			buffers.MinRTO = 2 * slowQueue // a segment in a queue is not lost
			r := newRig(t, rigConfig{client: buffers, server: buffers, nat: &strictNAT, jumbo: true})
			setWires := func(w simnet.Wire) {
				r.net.Uplinks[0].SetWire(simnet.AtoB, w)
				r.net.Uplinks[0].SetWire(simnet.BtoA, w)
			}
			setWires(simnet.Wire{Delay: slowWire.Delay})
			c, s := r.open(serverAddr)
			old, _ := c.addrs()
			up, down := newStream(c, s, 1), newStream(s, c, 2)
			b := &burst{rig: r, c: c, s: s, up: up, down: down}
			b.warm(slowWindow)
			setWires(slowWire)
			waitUp, waitDown := up.sending(t, 2*slowWindow), down.sending(t, 2*slowWindow)
			r.sleep(delay)
			for _, e := range []*Conn{c, s} {
				if q := sequenceOf(e); q.nxt-q.una < slowWindow {
					t.Fatalf("%d bytes in flight, want %d", q.nxt-q.una, slowWindow)
				}
			}

			var resets atomic.Int64
			count := countResets(&resets)
			for i := range r.inner {
				r.inner[i].set(count)
				r.outer[i].set(count)
			}
			if test.deaf > 0 {
				until := r.net.Clock.Elapsed() + test.deaf
				r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
					if t, ok := p.TCP(); ok && at.Dir == simnet.AtoB && at.Now < until && t.Flags()&fSYN == 0 {
						return simnet.Drop
					}
					return count(p, at)
				})
			}
			r.migrate(c, "10.2.0.2")
			moved := r.net.Clock.Elapsed()
			waitUp()
			waitDown()
			at := r.emptied(r.net.Uplinks[0])
			if n := c.Migration().Initiated + s.Migration().Accepted; n != 2 {
				t.Errorf("%d moves of both ends", n)
			}
			if d := at - moved; d < slowQueue {
				t.Errorf("the old path's queues were empty after %v, want %v", d, slowQueue)
			}
			r.sleep(moved + drainLimit - r.net.Clock.Elapsed())
			if n := resets.Load(); n != 0 {
				t.Errorf("%d RSTs", n)
			}
			for i, n := range r.net.NATs {
				// Trackers let SYN-ACKs that have to be repeated pass.
				if st := n.Stats(); st.Invalid+st.NoConn+st.NotSYN+st.RSTsSent > 0 {
					t.Errorf("nat %d: %+v", i, st)
				}
			}
			up.finish(t)
			down.finish(t)
			// Its port and tuple, at both ends, may be another connection's.
			r.dialer.LocalAddr = net.TCPAddrFromAddrPort(old)
			c, s = r.open(serverAddr)
			if now, _ := c.addrs(); now != old {
				t.Errorf("opened from %v, not %v", now, old)
			}
			bothWays(t, c, s, 64<<10)()
		})
	}
}

// countResets passes everything and counts RSTs.
func countResets(n *atomic.Int64) gateFunc {
	return func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if t, ok := p.TCP(); ok && t.Flags()&fRST != 0 {
			n.Add(1)
		}
		return simnet.Pass
	}
}

// emptied waits until everything that has been sent on a link has arrived, and
// returns when that was.
func (r *rig) emptied(link *simnet.Link) time.Duration {
	r.tb.Helper()
	for deadline := r.net.Clock.Elapsed() + patience; r.net.Clock.Elapsed() < deadline; r.sleep(10 * time.Millisecond) {
		up, down := link.Stats(simnet.AtoB), link.Stats(simnet.BtoA)
		if up.Sent == up.Delivered && down.Sent == down.Delivered {
			return r.net.Clock.Elapsed()
		}
	}
	r.tb.Fatalf("up %+v, down %+v", link.Stats(simnet.AtoB), link.Stats(simnet.BtoA))
	return 0
}
