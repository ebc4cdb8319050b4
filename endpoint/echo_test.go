// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestSYNACKEchoesLastSYN loses SYN-ACKs of a migration, so that both ends repeat their
// segments. Each SYN-ACK echoes the timestamp of the last SYN that has arrived (RFC
// 7323, section 4.1). TS.Recent is of the old path: from it, the initiator could not
// tell the round-trip time of the new one.
//
// M525: The SYN-ACK MUST echo the timestamp of the SYN.
func TestSYNACKEchoesLastSYN(t *testing.T) {
	const lost = 3
	r := newRig(t, rigConfig{seed: 1, paced: true})
	c, s := r.pair(serverAddr)
	r.await(c, s)

	type syn struct {
		tsval uint32
		at    time.Duration
	}
	var syns []syn
	var answers int
	r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		seg, ok := p.TCP()
		if !ok || !seg.Flags().Contains(header.TCPFlagSyn) {
			return simnet.Pass
		}
		ts := header.ParseTCPOptions(seg.Options())
		if at.Dir == simnet.AtoB {
			syns = append(syns, syn{ts.TSVal, at.Now})
			return simnet.Pass
		}
		answers++
		if ts.TSEcr != syns[len(syns)-1].tsval { // which is answered at once
			t.Errorf("SYN-ACK %d echoes %d, SYNs were %v", answers, ts.TSEcr, syns)
		}
		if answers <= lost {
			return simnet.Drop
		}
		return simnet.Pass
	})
	if err := c.Migrate(context.Background(), addr("10.2.0.2")); err != nil {
		t.Fatal(err)
	}
	if len(syns) < 2 || syns[0].tsval == syns[len(syns)-1].tsval {
		t.Errorf("SYNs: %v, want several timestamps", syns)
	}
}
