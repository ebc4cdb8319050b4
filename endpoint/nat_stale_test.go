// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestNATStaleSequence moves, make before break, from a fast path to a slow one. The
// handshake goes over the slow path. Meanwhile, more data is sent and acknowledged on
// the fast one than the largest window in a header. To the NAT on the new path, all of
// that lies beyond the numbers of the SYN.
//
// M506: From its SYN on, the initiator MUST send nothing at or above Cuna + 65,535 ·
// 2^scale, scale being the peer's. That ends when it moves or the path on trial is
// gone.
//
// M647: A responder that has moved MUST NOT send a segment without payload above the
// highest ACK + window received on this path. That ends when SND.UNA of the move is
// acknowledged.
//
// M648: An initiator that gets such a segment, which raises its clamp and does not
// reach RCV.NXT, MUST acknowledge at once.
func TestNATStaleSequence(t *testing.T) {
	b := netstack.BufferSizes{Min: 4 << 10, Default: 256 << 10, Max: 256 << 10}
	small := netstack.Config{SendBuffer: b, ReceiveBuffer: b}
	uplinks := []simnet.Uplink{
		{Link: simnet.Symmetric(simnet.Wire{Delay: 10 * time.Millisecond})},
		{Link: simnet.Symmetric(simnet.Wire{Delay: 200 * time.Millisecond})},
	}
	jumbo := simnet.LinkConfig{MTU: 9000}
	for i := range uplinks {
		uplinks[i].Link.MTU = jumbo.MTU
	}
	for _, nat := range []*simnet.NATConfig{nil, &strictNAT, {}} {
		for _, dir := range []string{"up", "down", "both"} {
			name := "no NAT"
			if nat != nil {
				name = fmt.Sprintf("NAT, strict %v", nat.Conntrack.Legacy)
			}
			t.Run(name+"/"+dir, func(t *testing.T) {
				r := newRig(t, rigConfig{
					uplinks: uplinks, bottleneck: jumbo,
					client: small, server: small, nat: nat,
				})
				c, s := r.open(serverAddr)
				up, down := newStream(c, s, 1), newStream(s, c, 2)
				idle := func() {}
				waitUp, waitDown := idle, idle
				if dir != "down" {
					waitUp = up.sending(t, 6<<20)
				}
				if dir != "up" {
					waitDown = down.sending(t, 6<<20)
				}
				r.sleep(300 * time.Millisecond)
				before := sequenceOf(c)
				r.migrate(c, "10.2.0.2")
				begin := r.net.Clock.Elapsed()
				after := sequenceOf(c)
				if sent, got := after.una-before.una, after.rcv-before.rcv; dir != "down" && sent < 256<<10 || dir != "up" && got < 256<<10 {
					t.Errorf("only %d bytes up and %d down during the handshake", sent, got)
				}
				waitUp()
				waitDown()
				up.finish(t)
				down.finish(t)
				if took := r.net.Clock.Elapsed() - begin; took > time.Minute {
					t.Errorf("the rest took %v", took)
				}
				for i, n := range r.net.NATs {
					if n == nil {
						continue
					}
					// The slow path has SYNs repeated, which trackers let pass.
					if st := n.Stats(); st.Invalid != 0 || st.RSTsSent != 0 || st.Tolerated > 2 {
						t.Errorf("nat %d: %+v", i, st)
					}
				}
			})
		}
	}
}

// TestNATCopies repeats a SYN over a slow path during a download, past a strict NAT.
// Between the two copies, an attacker sends others from many ports. The second SYN-ACK has
// to have the SEQ of the first: the tracker would start anew, and take the third ACK for
// invalid.
//
// M529: SYN-ACKs that answer a request of the same counter and SEQ within answeredTime
// MUST have the same SEQ. At most maxAnswered of these MUST be remembered.
func TestNATCopies(t *testing.T) {
	uplinks := []simnet.Uplink{
		{Link: simnet.Symmetric(simnet.Wire{Delay: 10 * time.Millisecond})},
		{Link: simnet.Symmetric(simnet.Wire{Delay: 200 * time.Millisecond})},
	}
	v := newVictim(t, rigConfig{uplinks: uplinks, nat: &strictNAT}, migrate.SuiteX25519SHA256)
	down := newStream(v.s, v.c, 2)
	wait := down.sending(t, 32<<20)
	v.sleep(300 * time.Millisecond)
	syns := 0
	seqs := make(map[uint32]int)
	v.outer[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		s, ok := p.TCP()
		switch {
		case !ok:
		case at.Dir == simnet.AtoB && s.Flags() == fSYN:
			syns++
			for i := range uint16(20) {
				v.mallory.puts(decode(p.Bytes()).with(withSource(v.mallory.at(1000 + i).local)))
			}
		case at.Dir == simnet.BtoA && s.Flags() == fSYNACK:
			seqs[s.SequenceNumber()]++
		}
		return simnet.Pass
	})
	v.migrate(v.c, v.second)
	wait()
	down.finish(t)
	if syns < 2 || len(seqs) != 1 {
		t.Errorf("%d SYNs, SYN-ACKs at %v", syns, seqs)
	}
	if st := v.net.NATs[1].Stats(); st.Invalid != 0 || st.RSTsSent != 0 {
		t.Errorf("%+v", st)
	}
}
