// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// fault is a treatment of one packet.
type fault struct {
	name    string
	verdict simnet.Verdict
	upTo    int // how many packets of each direction it is tried on
}

// faults happen to the packets of a handshake one at a time.
var faults = []fault{
	{"lost", simnet.Drop, 9},
	{"late", simnet.Delay(250 * time.Millisecond), 9},
	{"duplicated", simnet.Duplicate, 4},
	{"overtaken", simnet.Delay(time.Millisecond), 4},
}

// nth lets f happen to the n-th TCP packet of a direction, counted from now on.
func nth(d simnet.Direction, n int, f fault) gateFunc {
	return func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if _, ok := p.TCP(); !ok || at.Dir != d {
			return simnet.Pass
		}
		if n--; n != 0 {
			return simnet.Pass
		}
		return f.verdict
	}
}

// TestNATHandshakeFaults interferes with each of the first packets of either direction
// on the new path in turn, SYN and SYN-ACK included. It does so on either side of the
// NAT there.
func TestNATHandshakeFaults(t *testing.T) {
	for _, f := range faults {
		for _, d := range []simnet.Direction{simnet.AtoB, simnet.BtoA} {
			t.Run(fmt.Sprintf("%s/%v", f.name, d), func(t *testing.T) {
				for n := 1; n <= f.upTo; n++ {
					for _, inner := range []bool{true, false} {
						// With -short they take turns.
						if testing.Short() && inner == (n%2 == 0) {
							continue
						}
						// The data in flight does not fit a window without scaling.
						t.Run(fmt.Sprintf("%d/inner=%v", n, inner), func(t *testing.T) { natFault(t, 200_000, d, n, f, inner) })
					}
				}
			})
		}
	}
	for _, d := range []simnet.Direction{simnet.AtoB, simnet.BtoA} {
		for n := 1; n <= 3; n++ {
			t.Run(fmt.Sprintf("little in flight/%v/%d", d, n), func(t *testing.T) { natFault(t, 10_000, d, n, faults[0], true) })
		}
	}
}

func natFault(t *testing.T, size int64, d simnet.Direction, n int, f fault, inner bool) {
	r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers(), nat: &strictNAT, jumbo: true})
	b := newBurst(r, serverAddr, size, false)
	at := r.outer[1]
	if inner {
		at = r.inner[1]
	}
	at.set(nth(d, n, f))
	begin := r.net.Clock.Elapsed()
	r.breakUplink(0)
	r.migrate(b.c, "10.2.0.2")
	b.up.send(t, 100<<10)
	b.down.send(t, 100<<10)
	b.up.finish(t)
	b.down.finish(t)
	if all := r.net.Clock.Elapsed() - begin; all > 3*time.Second {
		t.Errorf("all after %v", all)
	}
	if st := r.net.NATs[1].Stats(); st.Invalid+st.NoConn+st.RSTsSent > 0 {
		t.Errorf("%+v", st)
	}
}

// TestNATHandshakeOutage lets nothing pass in one direction of the new path for a
// while after its first packet, the SYN or the SYN-ACK.
func TestNATHandshakeOutage(t *testing.T) {
	for _, d := range []simnet.Direction{simnet.AtoB, simnet.BtoA} {
		for _, outage := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second} {
			for _, size := range []int64{0, 200_000} {
				t.Run(fmt.Sprintf("%v/%v/%d", d, outage, size), func(t *testing.T) {
					r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers(), nat: &strictNAT, jumbo: true})
					b := newBurst(r, serverAddr, size, false)
					r.inner[1].set(pause(d, outage))
					begin := r.net.Clock.Elapsed()
					r.breakUplink(0)
					r.migrate(b.c, "10.2.0.2")
					b.up.send(t, 100<<10)
					b.down.send(t, 100<<10)
					b.up.finish(t)
					b.down.finish(t)
					if all := r.net.Clock.Elapsed() - begin; all > 2*outage+3*time.Second {
						t.Errorf("all after %v", all)
					}
					if st := r.net.NATs[1].Stats(); st.Invalid+st.NoConn+st.RSTsSent > 0 {
						t.Errorf("%+v", st)
					}
				})
			}
		}
	}
}

// pause passes the first packet of a direction and then nothing until an outage
// is over.
func pause(d simnet.Direction, outage time.Duration) gateFunc {
	var until time.Duration
	return func(_ *simnet.Packet, at simnet.Hop) simnet.Verdict {
		switch {
		case at.Dir != d:
			return simnet.Pass
		case until == 0:
			until = at.Now + 2*delay + outage
			return simnet.Pass
		case at.Now < until:
			return simnet.Drop
		}
		return simnet.Pass
	}
}

// TestNATOneWay has the client move, again and again, to where its SYNs get
// through but nothing else does: it moves, the server does not. Later attempts
// must not suffer from that.
func TestNATOneWay(t *testing.T) {
	for _, size := range []int64{0, 200_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers(), nat: &strictNAT})
			b := newBurst(r, serverAddr, size, false)
			r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
				if t, ok := p.TCP(); ok && at.Dir == simnet.AtoB && t.Flags()&header.TCPFlagSyn == 0 {
					return simnet.Drop
				}
				return simnet.Pass
			})
			r.breakUplink(0)
			for range 6 { // more than a window of tokens
				r.migrate(b.c, "10.2.0.2")
				r.sleep(10 * time.Second)
				if n := b.s.Migration().Accepted; n != 0 {
					t.Fatalf("the server has moved %d times", n)
				}
			}
			r.inner[1].set(nil)
			r.migrate(b.c, "10.2.0.2")
			b.up.send(t, 100<<10)
			b.down.send(t, 100<<10)
			b.up.finish(t)
			b.down.finish(t)
		})
	}
}

// TestNATUnmappedResponder has the server try to move a connection to another of
// its own addresses. The NAT in front of the client knows nothing of that one.
func TestNATUnmappedResponder(t *testing.T) {
	for _, test := range []struct {
		name   string
		silent bool
		icmp   bool
		want   error
		text   string
		within time.Duration
	}{
		// The NAT host answers packets to itself, or not, or a router in front of it
		// answers.
		{"refused", false, false, ErrPeerRefused, "refused", 2 * delay},
		{"unreachable", true, true, ErrUnreachable, "cannot be reached", 2 * delay},
		{"silent", true, false, ErrNoAnswer, "may be behind a NAT or firewall", time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			nat := strictNAT
			nat.DropInvalid = test.silent
			r := newRig(t, rigConfig{
				nat:   &nat,
				homes: twoAddresses,
			})
			c, s := r.open(serverAddr)
			up, down := newStream(c, s, 1), newStream(s, c, 2)
			wait := down.sending(t, 1<<20)
			before := s.Migration().Current
			restore := func() {}
			if test.icmp {
				restore = r.unreachable(nat4[0], r.net.Uplinks[0])
			}
			begin := r.net.Clock.Elapsed()
			err := s.Migrate(context.Background(), addr("10.9.0.2"))
			took := r.net.Clock.Elapsed() - begin
			restore()
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) || took > test.within {
				t.Errorf("%v after %v, want %v within %v", err, took, test.want, test.within)
			}
			if now := s.Migration().Current; now != before {
				t.Errorf("moved to %v", now)
			}
			up.send(t, 100<<10)
			wait()
			up.finish(t)
			down.finish(t)
		})
	}
}

// unreachable has a router answer packets for an address with ICMP, until the address
// is restored to its link.
func (r *rig) unreachable(a netip.Addr, link *simnet.Link) (restore func()) {
	nowhere := r.net.NewRouter("nowhere", simnet.RouterConfig{
		Addr4: netip.MustParseAddr("192.0.0.9"), Addr6: netip.MustParseAddr("2001:1::1"), Unreachable: true,
	})
	dst := netip.PrefixFrom(a, a.BitLen())
	r.net.Core.Route(dst, r.net.Connect(r.net.Core, nowhere, simnet.LinkConfig{}))
	return func() { r.net.Core.Route(dst, link) }
}

// twoAddresses lets a server move.
var twoAddresses = []netip.Prefix{
	netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("fd00:9::1/64"),
}
