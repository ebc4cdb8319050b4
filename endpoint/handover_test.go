// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// repeats counts, by direction, the bytes of payload that have been there before.
type repeats struct {
	mu    sync.Mutex
	first [2]uint32 // sequence number of the first byte
	seen  [2][]bool
	n     [2]int
}

func (b *repeats) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	s, ok := p.TCP()
	if !ok || len(s.Payload()) == 0 {
		return simnet.Pass
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d := at.Dir
	if b.seen[d] == nil {
		b.first[d] = s.SequenceNumber()
	}
	from := int(s.SequenceNumber() - b.first[d])
	to := from + len(s.Payload())
	if more := to - len(b.seen[d]); more > 0 {
		b.seen[d] = append(b.seen[d], make([]bool, more)...)
	}
	for i := from; i < to; i++ {
		if b.seen[d][i] {
			b.n[d]++
		}
		b.seen[d][i] = true
	}
	return simnet.Pass
}

// total is the count of both directions.
func (b *repeats) total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n[simnet.AtoB] + b.n[simnet.BtoA]
}

// longest returns the longest time without an arrival between two moments.
func (a *arrivals) longest(from, to time.Duration) (gap time.Duration) {
	last := from
	for _, at := range a.at {
		if at > from && at <= to {
			gap = max(gap, at-last)
			last = at
		}
	}
	return max(gap, to-last)
}

// handover is a move, make before break, in the middle of bulk data.
type handover struct {
	name     string
	old, new simnet.LinkConfig
	up, down bool   // the senders
	to       string // zero: the second uplink
	stack    netstack.Config
	// moving is called when the client is about to ask, moved when it has moved.
	moving, moved func(*rig, *Conn)
	// outage bounds the time without data at a receiver, where there was no longer
	// one before the move.
	outage time.Duration
	// next bounds the time until 1 MiB more has arrived; zero is no bound.
	next  time.Duration
	size  int64 // bytes to send; zero: 4 MiB
	clean bool  // nothing is sent twice
}

// around is the time before and after a request in which a test looks at the segments
// sent and the data received.
const around = 300 * time.Millisecond

func (h *handover) run(t *testing.T) {
	r := newRig(t, rigConfig{
		seed:    1,
		uplinks: []simnet.Uplink{{Link: h.old}, {Link: h.new}},
		client:  h.stack,
		server:  h.stack,
	})
	c, s := r.pair(serverAddr)
	r.await(c, s)
	var box repeats
	for _, l := range r.net.Uplinks {
		l.Use(&box)
	}
	type flow struct {
		src, dst *Conn
		arrivals
		sent, got [sha256.Size]byte
	}
	var flows []*flow
	if h.up {
		flows = append(flows, &flow{src: c, dst: s})
	}
	if h.down {
		flows = append(flows, &flow{src: s, dst: c})
	}
	var wg sync.WaitGroup
	for i, f := range flows {
		f.clock = r.net.Clock
		wg.Go(func() {
			f.sent, _ = content(f.src, uint64(i), cmp.Or(h.size, 4<<20))
			f.src.CloseWrite()
		})
		wg.Go(func() {
			sum := sha256.New()
			io.Copy(io.MultiWriter(sum, &f.arrivals), f.dst)
			sum.Sum(f.got[:0])
		})
	}
	r.net.Clock.Sleep(900 * time.Millisecond)
	if h.moving != nil {
		h.moving(r, c)
	}
	asked, twice := r.net.Clock.Elapsed(), make(chan int, 1)
	before := box.total()
	r.net.Clock.AfterFunc(around, func() { twice <- box.total() - before })
	to := h.to
	if to == "" {
		to = "10.2.0.2"
	}
	if err := c.Migrate(context.Background(), addr(to)); err != nil {
		t.Error(err)
	}
	if h.moved != nil {
		h.moved(r, c)
	}
	wg.Wait()
	for _, f := range flows {
		if f.got != f.sent {
			t.Error("what arrived is not what was sent")
		}
		usual, outage := f.longest(asked-around, asked), f.longest(asked, asked+around)
		t.Logf("outage %.1f ms, before %.1f ms", outage.Seconds()*1e3, usual.Seconds()*1e3)
		if _, next := f.from(asked, 1<<20); h.next > 0 && next > h.next {
			t.Errorf("the next 1 MB took %v, want at most %v", next, h.next)
		}
		if outage > max(h.outage, usual) {
			t.Errorf("outage of %v, want at most %v", outage, max(h.outage, usual))
		}
	}
	n := <-twice
	t.Logf("%d bytes sent twice", n)
	if h.clean && n > 0 {
		t.Errorf("%d bytes sent twice", n)
	}
}

// mbit is a symmetric link of so many Mbit/s.
func mbit(rate int64, delay time.Duration, queue int) simnet.LinkConfig {
	return simnet.Symmetric(simnet.Wire{Delay: delay, Rate: rate * simnet.Mbit, Queue: queue})
}

// lossy has a link lose every fiftieth packet in both directions.
func lossy(r *rig, uplink int) {
	for _, d := range []simnet.Direction{simnet.AtoB, simnet.BtoA} {
		w := r.net.Uplinks[uplink].Wire(d)
		w.Loss = 0.02
		r.net.Uplinks[uplink].SetWire(d, w)
	}
}

// TestHandover bounds the outage of make before break. Data in flight on the old
// path is delayed, and new data follows it at once.
//
// M601: Data in flight when an end moves is late if the old path is alive (section 6.4),
// else missing. Missing data MUST be sent again at once from the lowest byte, in slow
// start.
//
// M671: The congestion window of the new path MUST NOT count late data. RTT samples,
// RACK, duplicate ACKs and the retransmission timer of the new path MUST leave it out.
//
// M673: Late data is lost when three packets that were sent after it on the old path
// have arrived. The order MUST be that of RFC 8985, section 6.2.
//
// M679: If RTT is known and something is late, cwnd MUST be 1 at first, and grow by
// one each RTT / InitialCwnd beside slow start. Else the initial window goes at once.
func TestHandover(t *testing.T) {
	const ms, kib = time.Millisecond, 1 << 10
	near, far := mbit(20, 5*ms, 128*kib), mbit(20, 20*ms, 128*kib)
	slow, bloated := mbit(5, 50*ms, 64*kib), mbit(5, 20*ms, 512*kib)
	fast := mbit(50, 5*ms, 256*kib)
	small := far
	small.MTU = 1280
	lose := func(r *rig, _ *Conn) { lossy(r, 0) }
	die := func(r *rig, _ *Conn) { r.net.Uplinks[0].SetDown(true) }
	back := func(r *rig, c *Conn) {
		if err := c.Migrate(context.Background(), addr("10.1.0.2")); err != nil {
			r.tb.Error(err)
		}
	}
	// Late data is given up after a round trip of the old path, which has a queue, and
	// one of the new. Then it takes another one.
	const patience = 4 * 40 * ms
	for i, h := range []handover{
		{name: "download, 40 ms", old: far, new: far, down: true, outage: 6 * ms, clean: true},
		{name: "download, 10 ms", old: near, new: near, down: true, outage: 3 * ms, clean: true},
		{name: "upload, 40 ms", old: far, new: far, up: true, outage: 6 * ms, clean: true},
		{name: "upload, 10 ms", old: near, new: near, up: true, outage: 3 * ms, clean: true},
		// A rate of 1 MiB in 173 ms, which slow start has to get to.
		{name: "download, 50 Mbit/s", old: fast, new: fast, down: true, outage: 3 * ms, next: 195 * ms, size: 9 << 20, clean: true},
		{name: "upload, 50 Mbit/s", old: fast, new: fast, up: true, outage: 3 * ms, next: 195 * ms, size: 9 << 20, clean: true},
		{name: "both", old: far, new: far, up: true, down: true, outage: 6 * ms, clean: true},
		// Data on the new path arrives later by the difference of the delays. A
		// responder is without ACKs, too, for as long.
		{name: "to a slow path, download", old: near, new: slow, down: true, outage: 100 * ms},
		{name: "to a slow path, upload", old: near, new: slow, up: true, outage: 55 * ms},
		// The handshake is faster than any proof that the old path is alive.
		{name: "to a fast path, download", old: slow, new: near, down: true, outage: 10 * ms},
		{name: "to a fast path, upload", old: slow, new: near, up: true, outage: 10 * ms},
		{name: "from a full queue, download", old: bloated, new: far, down: true, outage: 6 * ms, clean: true},
		{name: "from a full queue, upload", old: bloated, new: far, up: true, outage: 6 * ms, clean: true},
		{name: "other port", old: far, new: far, to: "10.1.0.2", up: true, down: true, outage: 40 * ms},
		{name: "loss, download", old: far, new: far, down: true, moving: lose, outage: patience},
		{name: "loss, upload", old: far, new: far, up: true, moving: lose, outage: patience},
		{name: "loss, smaller MTU", old: far, new: small, up: true, down: true, moving: lose, outage: patience},
		{name: "old path dies, download", old: far, new: far, down: true, moved: die, outage: patience},
		{name: "old path dies, upload", old: far, new: far, up: true, moved: die, outage: patience},
		{name: "back at once, download", old: far, new: far, down: true, moved: back, outage: 90 * ms},
		{name: "back at once, upload", old: bloated, new: far, up: true, moved: back, outage: patience},
		// Nothing tells which path a segment came along: all data in flight is missing.
		{name: "no SACK", old: far, new: far, up: true, down: true, stack: netstack.Config{DisableSACK: true}, outage: 90 * ms},
		{name: "no RACK", old: far, new: far, up: true, down: true, stack: netstack.Config{DisableRACK: true}, outage: 90 * ms},
	} {
		if testing.Short() && i%3 != 1 {
			continue // the race detector sees as much in a third of them
		}
		t.Run(h.name, h.run)
	}
}
