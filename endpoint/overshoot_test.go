// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestSlowStartOvershoot uploads 20 MB along a path of 50 Mbit/s, whose queue slow
// start makes overflow. Reno has no HyStart, so about every second packet of a round
// trip is lost. The peer's SACKs have to repair all of that, without a timeout. No
// packet that has arrived is sent twice. The window holds retransmissions to the rate
// of the path.
func TestSlowStartOvershoot(t *testing.T) {
	skipShort(t)
	const (
		rate = 50 * simnet.Mbit
		size = 20 << 20
		// needless is the number of retransmissions that nobody needed: a guess at the
		// tail, and the packets lost behind it.
		needless = 5
	)
	for _, test := range []struct {
		rtt   time.Duration
		queue float64 // in bandwidth-delay products
	}{
		{40 * time.Millisecond, 0.5},
		{100 * time.Millisecond, 0.5},
		{100 * time.Millisecond, 1},
		{100 * time.Millisecond, 2},
		{200 * time.Millisecond, 1},
	} {
		t.Run(fmt.Sprintf("RTT %v, queue %g BDP", test.rtt, test.queue), func(t *testing.T) {
			bdp := float64(rate) / 8 * test.rtt.Seconds()
			w := simnet.Wire{Delay: test.rtt / 2, Rate: rate, Queue: int(test.queue * bdp)}
			cfg := bigBuffers()
			cfg.CongestionControl = netstack.Reno
			r := newRig(t, rigConfig{seed: 1, uplinks: []simnet.Uplink{{Link: simnet.Symmetric(w)}}, client: cfg, server: cfg})
			r.dialer.Migration, r.listen.Migration = Off, Off
			c, s := r.pair(serverAddr)
			begin := r.net.Clock.Elapsed()
			go func() {
				content(c, 1, size)
				c.CloseWrite()
			}()
			if n, err := io.Copy(io.Discard, s); n != size || err != nil {
				t.Fatalf("%d of %d bytes, %v", n, size, err)
			}
			took := r.net.Clock.Elapsed() - begin
			lost := r.net.Uplinks[0].Stats(simnet.AtoB).QueueDrops
			stats := r.client.GVisor().Stats().TCP
			sent, timeouts := stats.Retransmits.Value(), stats.Timeouts.Value()
			t.Logf("%v; lost %d, retransmitted %d, %d timeouts", took, lost, sent, timeouts)
			if lost == 0 || sent > lost+needless || timeouts > 0 {
				t.Errorf("lost %d, retransmitted %d, %d timeouts", lost, sent, timeouts)
			}
			// The full rate, but for slow start, a round trip for each doubling of
			// the initial window (RFC 6928), and a few in recovery.
			if limit := time.Duration(8*size*1e9/rate) + 15*test.rtt; took > limit {
				t.Errorf("took %v, want at most %v", took, limit)
			}
		})
	}
}
