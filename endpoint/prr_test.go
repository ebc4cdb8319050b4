// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/seqnum"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestRecoveryInProportion loses many segments of a window in a row. An ACK in recovery
// lets as many packets out as it delivers, and at most one more (RFC 9937). The server
// acknowledges each packet at once, so that is two.
func TestRecoveryInProportion(t *testing.T) {
	const (
		size        = 256 << 10
		first, last = 60, 99 // lost
		most        = 2
	)
	// Packets leave the client without delay. The bottleneck behind paces them.
	r := newRig(t, rigConfig{seed: 1, bottleneck: simnet.Symmetric(wire(delay))})
	r.dialer.Migration, r.listen.Migration = Off, Off
	c, s := r.pair(serverAddr)
	var n int
	var highest seqnum.Value
	repeated := make(map[time.Duration]int)
	r.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		s, ok := p.TCP()
		if !ok || at.Dir != simnet.AtoB || len(s.Payload()) == 0 {
			return simnet.Pass
		}
		seq := seqnum.Value(s.SequenceNumber())
		if n > 0 && seq.LessThanEq(highest) {
			repeated[r.net.Clock.Elapsed()]++
			return simnet.Pass
		}
		highest = seq
		if n++; first <= n && n <= last {
			return simnet.Drop
		}
		return simnet.Pass
	})
	u := newStream(c, s, 1)
	u.send(t, size)
	u.finish(t)
	total := 0
	for at, n := range repeated {
		total += n
		if n > most {
			t.Errorf("%d retransmissions at once after %v, want at most %d", n, at, most)
		}
	}
	if want := last - first + 1; total != want {
		t.Errorf("%d retransmissions, want %d", total, want)
	}
}
