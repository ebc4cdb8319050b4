// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestLossWithinSegment loses packets in the middle of segments that TCP sends as one
// (GSO). SACKs tell which packets have arrived. The others are sent again, and no more,
// without a timeout.
func TestLossWithinSegment(t *testing.T) {
	const size = 512 << 10
	lose := map[int]bool{41: true, 42: true, 57: true, 80: true}
	r := newRig(t, rigConfig{seed: 1, paced: true, offload: true})
	r.dialer.Migration, r.listen.Migration = Off, Off
	c, s := r.pair(serverAddr)
	n := 0
	r.net.Uplinks[0].Use(simnet.TCPFilter(func(s header.TCP, d simnet.Direction, _ int) simnet.Verdict {
		if d != simnet.AtoB || len(s.Payload()) == 0 {
			return simnet.Pass
		}
		if n++; lose[n] {
			return simnet.Drop
		}
		return simnet.Pass
	}))
	u := newStream(c, s, 1)
	u.send(t, size)
	u.finish(t)
	stats := r.client.GVisor().Stats().TCP
	if got := stats.Retransmits.Value(); got > uint64(len(lose)) {
		t.Errorf("%d retransmissions, want at most %d", got, len(lose))
	}
	if got := stats.Timeouts.Value(); got != 0 {
		t.Errorf("%d timeouts", got)
	}
}
