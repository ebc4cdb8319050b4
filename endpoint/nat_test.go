// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// strictNAT tracks windows as an old Linux. It refuses connections whose beginning it
// has not seen, and answers packets that it cannot translate with RST.
var strictNAT = simnet.NATConfig{Conntrack: simnet.Conntrack{Legacy: true, NoPickup: true, NewMustBeSYN: true}}

// burst is a connection with data in flight in both directions that has arrived
// but is not acknowledged.
type burst struct {
	*rig
	c, s     *Conn
	up, down *stream
	// The sequence numbers of each end at the break.
	atC, atS sequence
}

// newBurst opens a connection from the first uplink and puts n bytes in flight
// in each direction. With hole the first segment of each is lost, so that the
// rest is out of order.
func newBurst(r *rig, address string, n int64, hole bool) *burst {
	r.tb.Helper()
	b := &burst{rig: r}
	b.c, b.s = r.open(address)
	b.up, b.down = newStream(b.c, b.s, 1), newStream(b.s, b.c, 2)
	b.warm(n)
	b.strand(n, hole)
	return b
}

// warmUp is the amount of data after which n bytes can be in flight: slow start.
func warmUp(n int64) int64 { return 2*n + 64<<10 }

// warm opens the congestion windows of both ends to n bytes.
func (b *burst) warm(n int64) {
	b.tb.Helper()
	w := warmUp(n)
	b.up.send(b.tb, w)
	b.down.send(b.tb, w)
	for deadline := b.net.Clock.Elapsed() + patience; b.net.Clock.Elapsed() < deadline; {
		// An idle sender would fall back to the initial window after an RTO.
		b.sleep(5 * time.Millisecond)
		c, s := sequenceOf(b.c), sequenceOf(b.s)
		if c.una == c.nxt && s.una == s.nxt && s.rcv == c.nxt && c.rcv == s.nxt {
			return
		}
	}
	b.tb.Fatalf("not acknowledged after %v: %+v, %+v", patience, sequenceOf(b.c), sequenceOf(b.s))
}

// strand puts n bytes in flight in each direction whose acknowledgements get
// lost.
func (b *burst) strand(n int64, hole bool) {
	b.tb.Helper()
	first := [2]bool{hole, hole}
	b.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if t, ok := p.TCP(); ok && len(t.Payload()) > 0 && first[at.Dir] {
			first[at.Dir] = false
			return simnet.Drop
		}
		return dropPureACKs(p, at)
	})
	b.up.send(b.tb, n)
	b.down.send(b.tb, n)
	b.sleep(delay + 5*time.Millisecond)
	b.atC, b.atS = sequenceOf(b.c), sequenceOf(b.s)
	for _, e := range []struct {
		name      string
		snd, peer sequence
	}{{"client", b.atC, b.atS}, {"server", b.atS, b.atC}} {
		arrived := e.snd.nxt
		if hole && n > 0 {
			arrived = e.snd.una
		}
		if int64(e.snd.nxt-e.snd.una) != n || e.peer.rcv != arrived {
			b.tb.Fatalf("%s: %d bytes in flight, want %d; peer has received up to %d, want %d",
				e.name, e.snd.nxt-e.snd.una, n, e.peer.rcv-e.snd.una, arrived-e.snd.una)
		}
	}
}

// resent counts payload on uplink i from now on that its receiver had at the
// break.
func (b *burst) resent(i int) *[2]atomic.Int64 {
	var n [2]atomic.Int64
	had := [2]uint32{simnet.AtoB: b.atS.rcv, simnet.BtoA: b.atC.rcv}
	b.outer[i].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if t, ok := p.TCP(); ok && len(t.Payload()) > 0 {
			if again := int32(had[at.Dir] - t.SequenceNumber()); again > 0 {
				n[at.Dir].Add(int64(min(int(again), len(t.Payload()))))
			}
		}
		return simnet.Pass
	})
	return &n
}

// settle carries some more data. It checks the data that has arrived, and the counters
// of the NATs.
func (b *burst) settle(tb testing.TB) {
	tb.Helper()
	b.up.send(tb, 100<<10)
	b.down.send(tb, 100<<10)
	b.up.finish(tb)
	b.down.finish(tb)
	b.checkNATs(tb)
}

func (r *rig) checkNATs(tb testing.TB) {
	tb.Helper()
	for i, n := range r.net.NATs {
		if st := n.Stats(); st.Invalid+st.Tolerated+st.NotSYN+st.NoConn+st.RSTsSent+st.Other > 0 {
			tb.Errorf("nat %d: %+v", i, st)
		}
	}
}

// TestNATInFlight moves a connection from behind one NAT to behind another while data
// is in flight in both directions. All of the data has arrived, but none of it is
// acknowledged. Trackers on the new path have seen none of it.
//
// M503: Window scale, timestamps and SACK-permitted of SYN and SYN-ACK MUST repeat what
// the connection negotiated. Only the MSS MAY differ.
//
// M642: The ACK field and the right edge of each SACK block MUST stay at or below the
// highest SEQ + length received on this path. At first that is the SEQ + 1 of the
// peer's SYN-ACK, or the SEQ of the third ACK.
//
// M643: SACK blocks above that MUST be left out.
//
// M644: The window MUST be counted from the clamped ACK to the true right edge,
// rounded up. It MUST NOT be zero while the peer has data in flight.
func TestNATInFlight(t *testing.T) {
	sizes := []int64{0, 10_000, 200_000, 1 << 20, 4 << 20}
	if testing.Short() {
		sizes = sizes[:3]
	}
	for _, n := range sizes {
		for _, family := range []struct{ name, server, to string }{
			{"ipv4", serverAddr, "10.2.0.2"},
			{"ipv6", "[fd00:9::1]:80", "fd00:2::2"},
		} {
			for _, hole := range []bool{false, true} {
				if hole && (n == 0 || n > 1<<20) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/hole=%v", family.name, n, hole), func(t *testing.T) {
					r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers(), nat: &strictNAT, jumbo: n > 500_000})
					b := newBurst(r, family.server, n, hole)
					again := b.resent(1)
					begin := r.net.Clock.Elapsed()
					r.breakUplink(0)
					r.migrate(b.c, family.to)
					took := r.net.Clock.Elapsed() - begin
					b.settle(t)
					if u, d := again[simnet.AtoB].Load(), again[simnet.BtoA].Load(); u+d > 0 {
						t.Errorf("sent again what had arrived: %d bytes up, %d down", u, d)
					}
					if a := b.s.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); a != nat4[1] && a != nat6[1] {
						t.Errorf("server sees %v", a)
					}
					t.Logf("moved in %v", took)
				})
			}
		}
	}
}

// TestNATInPlace moves a connection to a new port of the same address after the NAT has
// lost its table. Data is in flight in both directions.
func TestNATInPlace(t *testing.T) {
	for _, n := range []int64{0, 10_000, 200_000, 1 << 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers(), nat: &strictNAT, jumbo: n > 500_000})
			b := newBurst(r, serverAddr, n, false)
			before := r.net.NATs[0].Stats()
			r.net.NATs[0].Flush()
			old, _ := b.c.addrs()
			b.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
				if p.Src() == old {
					return simnet.Drop // an acknowledgement that was under way
				}
				return simnet.Pass
			})
			again := b.resent(0)
			r.migrate(b.c, "10.1.0.2")
			b.up.send(t, 100<<10)
			b.down.send(t, 100<<10)
			b.up.finish(t)
			b.down.finish(t)
			// The NAT refuses packets under way to the mapping that is gone; the server
			// must live with that.
			if st := r.net.NATs[0].Stats(); st.Invalid+st.Tolerated != before.Invalid+before.Tolerated {
				t.Errorf("nat: %+v", st)
			}
			if u, d := again[simnet.AtoB].Load(), again[simnet.BtoA].Load(); u+d > 0 {
				t.Errorf("sent again what had arrived: %d bytes up, %d down", u, d)
			}
		})
	}
}

// TestNATSequenceWrap has the sequence numbers of one end wrap in the middle of the
// data in flight.
func TestNATSequenceWrap(t *testing.T) {
	const n = 1 << 20
	for _, test := range []struct {
		name string
		end  func(iss, irs uint32) uint32
	}{
		{"client", func(iss, irs uint32) uint32 { return iss }},
		{"server", func(iss, irs uint32) uint32 { return irs }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers(), nat: &strictNAT, jumbo: true})
			r.dialer.LocalAddr = net.TCPAddrFromAddrPort(addr("10.1.0.2:40000"))
			// The ISN of a tuple grows by one every 64 ns (RFC 6528; gVisor's
			// tick). Learn it, and dial again when it is right.
			begin := r.net.Clock.Elapsed()
			c, s := r.open(serverAddr)
			isn := test.end(sequenceOf(c).nxt-1, sequenceOf(s).nxt-1)
			c.SetLinger(0)
			c.Close()
			s.Close()
			want := -uint32(warmUp(n) + n/2 + 1)
			r.sleep(time.Duration(want-isn)*64 - (r.net.Clock.Elapsed() - begin))
			b := newBurst(r, serverAddr, n, false)
			at := test.end(b.atC.nxt, b.atS.nxt)
			if at == 0 || at >= n {
				t.Fatalf("SND.NXT %d has not wrapped within the last %d bytes", at, n)
			}
			again := b.resent(1)
			r.breakUplink(0)
			r.migrate(b.c, "10.2.0.2")
			b.settle(t)
			if u, d := again[simnet.AtoB].Load(), again[simnet.BtoA].Load(); u+d > 0 {
				t.Errorf("sent again what had arrived: %d bytes up, %d down", u, d)
			}
		})
	}
}
