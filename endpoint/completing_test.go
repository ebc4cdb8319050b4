// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestSentTwice counts the segments that an upload sends more than once on its new
// path: none, also if step 4 is lost. Each segment behind it completes the move, and none
// is answered by a RST.
func TestSentTwice(t *testing.T) {
	const rtt = 2 * delay
	for _, test := range []struct {
		name   string
		second time.Duration // of two SYN-ACKs, how much later it arrives
		lost   bool          // step 4
	}{
		{"SYN-ACK duplicated", 0, false},
		{"SYN-ACK again, late", rtt - rtt/4, false},
		{"step 4 lost", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, rigConfig{})
			c, s := r.open(serverAddr)
			u := newStream(c, s, 1)
			sent := u.sending(t, 1<<20)
			r.sleep(rtt + rtt/2) // less than 64 KiB are in flight
			r.breakUplink(0)

			var synACKs int
			r.outer[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
				if s, ok := p.TCP(); ok && at.Dir == simnet.BtoA && s.Flags() == fSYN|fACK && !test.lost {
					return simnet.Duplicate
				}
				return simnet.Pass
			})
			lost := !test.lost
			times := make(map[uint32]int)
			r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
				s, ok := p.TCP()
				switch {
				case !ok:
				case s.Flags()&fRST != 0:
					t.Error("a RST")
				case at.Dir == simnet.BtoA && s.Flags() == fSYN|fACK:
					if synACKs++; synACKs == 2 {
						return simnet.Delay(test.second)
					}
				case at.Dir == simnet.AtoB && s.Flags() == fACK && !lost:
					lost = true
					return simnet.Drop
				case at.Dir == simnet.AtoB && len(s.Payload()) > 0:
					times[s.SequenceNumber()]++
				}
				return simnet.Pass
			})
			r.migrate(c, "10.2.0.2")
			sent()
			u.finish(t)
			r.inner[1].set(nil)

			if want := 2; synACKs != want && !test.lost {
				t.Fatalf("%d SYN-ACKs, want %d", synACKs, want)
			}
			twice := 0
			for _, n := range times {
				twice += n - 1
			}
			if twice != 0 {
				t.Errorf("%d segments were sent twice; %d SYN-ACKs", twice, synACKs)
			}
		})
	}
}
