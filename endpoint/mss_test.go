// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestTinyMSS has the SYNs of a migration tell an MSS that would have data sent in tiny
// segments, until the next move. A middlebox puts it there: no tag covers the MSS.
//
// M609: An MSS below 536 (IPv6: 1,220) MUST count as that, or as the MSS that the
// connection had if this is less.
func TestTinyMSS(t *testing.T) {
	for _, test := range []struct {
		server, to string
		least      int // bytes of payload, beside the options
	}{
		{serverAddr, "10.2.0.2", 536 - 40},
		{"[fd00:9::1]:80", "fd00:2::2", 1220 - 40},
	} {
		for _, mss := range []uint16{0, 1, 200, 535} {
			for _, dir := range []simnet.Direction{simnet.AtoB, simnet.BtoA} {
				t.Run(fmt.Sprint(test.to, "/", mss, "/", dir), func(t *testing.T) {
					r := newRig(t, rigConfig{})
					c, s := r.open(test.server)
					largest := 0
					r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
						seg, ok := p.TCP()
						switch {
						case !ok:
						case at.Dir == dir && seg.Flags().Contains(fSYN):
							setMSS(seg.Options(), mss)
							p.FixChecksums()
						case at.Dir != dir:
							largest = max(largest, len(seg.Payload()))
						}
						return simnet.Pass
					})
					r.migrate(c, test.to)
					from, to := s, c
					if dir == simnet.BtoA {
						from, to = c, s
					}
					exchange(t, from, to, 64<<10)
					if largest < test.least {
						t.Errorf("segments of at most %d bytes, want %d", largest, test.least)
					}
				})
			}
		}
	}
}

// setMSS changes the MSS option among opts, which stands first.
func setMSS(opts []byte, mss uint16) {
	if len(opts) >= header.TCPOptionMSSLength && opts[0] == header.TCPOptionMSS {
		opts[2], opts[3] = byte(mss>>8), byte(mss)
	}
}
