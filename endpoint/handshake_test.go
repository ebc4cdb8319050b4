// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestHandshakeLoss loses SYNs and SYN-ACKs. How long the handshake took is no
// round trip: with a time-out made of it, the next loss would cost minutes.
func TestHandshakeLoss(t *testing.T) {
	const (
		lost    = 3
		rtt     = 40 * time.Millisecond
		initial = 3 * time.Second // RFC 6298, section 5.7
	)
	for syns := range lost + 1 {
		for answers := range lost + 1 {
			t.Run(fmt.Sprintf("%d SYN, %d SYN-ACK", syns, answers), func(t *testing.T) {
				r := newRig(t, rigConfig{seed: 1, paced: true})
				r.dialer.Migration, r.listen.Migration = Off, Off
				left := [2]int{simnet.AtoB: syns, simnet.BtoA: answers}
				r.net.Uplinks[0].Use(simnet.TCPFilter(func(s header.TCP, d simnet.Direction, _ int) simnet.Verdict {
					if s.Flags().Contains(header.TCPFlagSyn) && left[d] > 0 {
						left[d]--
						return simnet.Drop
					}
					return simnet.Pass
				}))
				c, s := r.pair(serverAddr)
				// The server's last SYN-ACK is answered at once. The client's
				// last SYN is only if that answer is not lost.
				for _, end := range []struct {
					name  string
					conn  *Conn
					known bool
				}{{"client", c, answers == 0}, {"server", s, true}} {
					info := end.conn.TCPInfo()
					if info.RTT == 0 && end.known || info.RTT != 0 && info.RTT.Round(rtt) != rtt {
						t.Errorf("%s: RTT %v, want %v", end.name, info.RTT, rtt)
					}
					if info.RTO > initial {
						t.Errorf("%s: RTO %v, want at most %v", end.name, info.RTO, initial)
					}
				}
			})
		}
	}
}

// TestLongPath connects over a path so long that both ends repeat their SYN before it
// is answered. The answer may be one to either, so the handshake gives no sample of
// the round-trip time (Karn's algorithm, RFC 6298, section 3). The first data does,
// without a needless retransmission, however small it is.
func TestLongPath(t *testing.T) {
	const (
		rtt   = 1500 * time.Millisecond
		least = rtt / 100 // by which a queue or a clock may be wrong
	)
	r := newRig(t, rigConfig{seed: 1, uplinks: []simnet.Uplink{{Link: simnet.Symmetric(simnet.Wire{Delay: rtt / 2})}}})
	r.dialer.Migration, r.listen.Migration = Off, Off
	c, s := r.pair(serverAddr)
	r.sleep(4 * rtt) // until nothing of the handshake is on the way
	for _, end := range []struct {
		name  string
		conn  *Conn
		other *Conn
	}{{"client", c, s}, {"server", s, c}} {
		before := end.conn.stack.GVisor().Stats().TCP.Retransmits.Value()
		newStream(end.conn, end.other, 1).send(t, 100)
		r.sleep(2 * rtt)
		if got := end.conn.TCPInfo().RTT; got < rtt || got > rtt+least {
			t.Errorf("%s: RTT %v, want %v", end.name, got, rtt)
		}
		if n := end.conn.stack.GVisor().Stats().TCP.Retransmits.Value() - before; n > 0 {
			t.Errorf("%s: %d retransmissions", end.name, n)
		}
	}
}
