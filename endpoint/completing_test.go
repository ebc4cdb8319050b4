// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestSentTwice counts the segments that an upload sends more than once on its new
// path. A second SYN-ACK asks for that only if it comes late enough: then step 4 was
// lost. Otherwise the segments behind step 4 have arrived, or are about to.
//
// M566: A repeated SYN-ACK may come a round trip of the new path, less an eighth,
// after the data in flight there. Then the initiator MUST send this data again.
func TestSentTwice(t *testing.T) {
	const rtt = 2 * delay
	for _, test := range []struct {
		name   string
		second time.Duration // of two SYN-ACKs, how much later it arrives
		lost   bool          // step 4
		twice  int           // segments: the initial window (RFC 6928), or none
	}{
		{"SYN-ACK duplicated", 0, false, 0},
		{"SYN-ACK again, late", rtt - rtt/4, false, 0},
		{"step 4 lost", 0, true, 10},
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

			if synACKs < 2 {
				t.Fatalf("%d SYN-ACKs, want two at least", synACKs)
			}
			twice := 0
			for _, n := range times {
				twice += n - 1
			}
			if twice != test.twice {
				t.Errorf("%d segments were sent twice, want %d; %d SYN-ACKs", twice, test.twice, synACKs)
			}
		})
	}
}
