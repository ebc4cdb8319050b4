// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestHandshakeOptions compares SYN and SYN-ACK of a migration with those of the
// connection.
//
// M503: Window scale, timestamps and SACK-permitted of SYN and SYN-ACK MUST repeat
// what the connection negotiated. Only the MSS MAY differ.
//
// M504: The windows in SYN and SYN-ACK MUST be 65,535, not scaled. They MUST NOT
// change the peer's SND.WND.
//
// M525: The SYN-ACK MUST echo the timestamp of the SYN.
func TestHandshakeOptions(t *testing.T) {
	for name, strip := range map[string][]uint8{
		"all": nil, "none": {header.TCPOptionTS, header.TCPOptionWS, header.TCPOptionSACKPermitted},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigConfig{client: bigBuffers()})
			r.net.Bottleneck.Use(&simnet.OptionBox{Kinds: strip, Segments: simnet.OnSYN | simnet.OnSYNACK})
			var before, after recorder
			r.inner[0].set(before.Process)
			r.inner[1].set(after.Process)
			c, s := r.open(serverAddr)
			r.migrate(c, "10.2.0.2")
			old, moved := before.takes(), after.takes()
			answer := first(t, old, fSYNACK).synOptions() // the options agreed on
			for _, flags := range []header.TCPFlags{fSYN, fSYNACK} {
				then, now := first(t, old, flags).synOptions(), first(t, moved, flags)
				opts := now.synOptions()
				if opts.TS != answer.TS || opts.SACKPermitted != answer.SACKPermitted {
					t.Errorf("%v: %+v, want as %+v", flags, opts, answer)
				}
				if scale := max(then.WS, 0); answer.WS >= 0 && opts.WS != scale || answer.WS < 0 && opts.WS > 0 {
					t.Errorf("%v: window scale %d, was %d", flags, opts.WS, scale)
				}
				if w := now.WindowSize(); w != 65535 {
					t.Errorf("%v: window %d", flags, w)
				}
			}
			syn, synack := first(t, moved, fSYN).synOptions(), first(t, moved, fSYNACK).synOptions()
			if synack.TS && synack.TSEcr != syn.TSVal {
				t.Errorf("SYN-ACK echoes %d, want %d", synack.TSEcr, syn.TSVal)
			}
			exchange(t, c, s, 200_000)
		})
	}
}

// TestKeyOptionsOnPureACKs sends data in both directions while keys are exchanged.
//
// M301: Key-Rest and Key-Confirm MUST ride on segments without payload only.
func TestKeyOptionsOnPureACKs(t *testing.T) {
	r := newRig(t, rigConfig{})
	var rec recorder
	r.inner[0].set(rec.Process)
	c, s := r.pair(serverAddr)
	finish := bothWays(t, c, s, 200_000)
	r.await(c, s)
	finish()
	var withKeys, withData [2]int
	for _, seg := range rec.takes() {
		switch keys := bytes.Contains(seg.Options(), []byte{kindPermitted, 18}) || bytes.Contains(seg.Options(), []byte{kindPermitted, 10}); {
		case len(seg.Payload()) > 0 && keys:
			t.Errorf("%d bytes of payload beside %x", len(seg.Payload()), seg.Options())
		case len(seg.Payload()) > 0:
			withData[seg.dir]++
		case keys:
			withKeys[seg.dir]++
		}
	}
	if slices.Min(withKeys[:]) == 0 || slices.Min(withData[:]) == 0 {
		t.Errorf("%v segments with keys, %v with data", withKeys, withData)
	}
}

// TestWindowNotScaledYet has a client move whose congestion window is larger than the
// window of the SYN-ACK. Each scaled window gets lost for a while.
//
// M545: After the SYN-ACK the initiator MUST take Cuna + 65,535 as the right edge
// until a scaled window arrives.
func TestWindowNotScaledYet(t *testing.T) {
	r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers()})
	c, s := r.open(serverAddr)
	b := &burst{rig: r, c: c, s: s, up: newStream(c, s, 1), down: newStream(s, c, 2)}
	b.warm(200_000)
	una := sequenceOf(c).una
	var rec recorder
	old, _ := c.addrs()
	r.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		rec.Process(p, at)
		if seg, ok := p.TCP(); ok && at.Dir == simnet.BtoA && p.Dst() != old && seg.Flags()&fSYN == 0 {
			return simnet.Drop
		}
		return simnet.Pass
	})
	// Another port of the same address keeps the congestion window.
	r.migrate(c, "10.1.0.2")
	b.up.send(t, 300_000)  // into the buffer
	r.sleep(3 * delay / 2) // a gate sees a packet when it arrives
	var sent int32         // from una on
	for _, seg := range rec.takes() {
		if seg.dir == simnet.AtoB {
			sent = max(sent, int32(seg.SequenceNumber()+uint32(len(seg.Payload()))-una))
		}
	}
	if sent > 65535 || sent < 60_000 {
		t.Errorf("%d bytes sent, want up to 65535", sent)
	}
	r.inner[0].set(nil)
	b.up.finish(t)
	b.down.finish(t)
}

// TestNewPathAnew moves a connection with a large congestion window and a long
// round-trip time to a fast path.
//
// M602: cwnd, ssthresh, RTT, RTO, loss recovery and MSS MUST start anew.
func TestNewPathAnew(t *testing.T) {
	slow := simnet.Symmetric(simnet.Wire{Delay: 100 * time.Millisecond})
	fast := simnet.Symmetric(simnet.Wire{Delay: time.Millisecond})
	fast.MTU = 1280
	r := newRig(t, rigConfig{
		uplinks: []simnet.Uplink{{Link: slow}, {Link: fast}}, client: bigBuffers(), server: bigBuffers(),
	})
	c, s := r.open(serverAddr)
	b := &burst{rig: r, c: c, s: s, up: newStream(c, s, 1), down: newStream(s, c, 2)}
	b.warm(200_000)
	before := [2]TCPInfo{c.TCPInfo(), s.TCPInfo()}
	var rec recorder
	r.inner[1].set(rec.Process)
	r.migrate(c, "10.2.0.2")
	r.sleep(2 * time.Millisecond) // the server moves
	for i, e := range []*Conn{c, s} {
		old, now := before[i], e.TCPInfo()
		if old.CongestionWindow < 50 || old.RTT < 190*time.Millisecond {
			t.Fatalf("end %d: before %+v", i, old)
		}
		if now.CongestionWindow > 10 || now.RTT > 10*time.Millisecond || now.RTO > 300*time.Millisecond {
			t.Errorf("end %d: after %+v", i, now)
		}
	}
	b.up.send(t, 50_000)
	b.down.send(t, 50_000)
	b.up.finish(t)
	b.down.finish(t)
	for _, seg := range rec.takes() {
		if n := len(seg.TCP); n > 1280-header.IPv4MinimumSize {
			t.Fatalf("a segment of %d bytes on a path with an MTU of 1280", n)
		}
	}
}

// TestTimestampOfNewPath moves an idle connection, and looks at the timestamp of the peer
// that each end goes by afterwards.
//
// M604: TS.Recent MUST be taken from the peer's SYN, SYN-ACK or ACK.
func TestTimestampOfNewPath(t *testing.T) {
	for _, mover := range []string{"client", "server"} {
		r := newRig(t, rigConfig{homes: twoHomes})
		c, s := r.open(serverAddr)
		exchange(t, c, s, 1000)
		e, to := c, "10.2.0.2"
		if mover == "server" {
			e, to = s, "10.9.0.2"
		}
		r.sleep(5 * time.Second)
		before := r.tsRecent(c, s)
		if err := e.Migrate(t.Context(), addr(to)); err != nil {
			t.Fatal(err)
		}
		r.sleep(2 * delay)
		for i, now := range r.tsRecent(c, s) {
			if d := time.Duration(now-before[i]) * time.Millisecond; d < 4*time.Second || d > 6*time.Second {
				t.Errorf("%s moves: TS.Recent of end %d has advanced by %v", mover, i, d)
			}
		}
	}
}

// tsRecent returns TS.Recent of connections.
func (r *rig) tsRecent(conns ...*Conn) (ts []uint32) {
	for _, c := range conns {
		ep := c.ep.(tcbReader)
		ep.MigrationLock(func() { ts = append(ts, ep.MigrationTCB().TSRecent) })
	}
	return ts
}

// TestRequestKeepsWindow has a request on hand, whose window is smaller than the client's.
// The server goes on sending on the old path.
//
// M504: They MUST NOT change the peer's SND.WND.
func TestRequestKeepsWindow(t *testing.T) {
	const size = 300_000
	r := newRig(t, rigConfig{client: bigBuffers(), server: bigBuffers()})
	m := r.mallory()
	c, s := r.open(serverAddr)
	b := &burst{rig: r, c: c, s: s, up: newStream(c, s, 1), down: newStream(s, c, 2)}
	b.warm(size)
	m.plays(r.capture(c).with(withSource(m.local)))
	m.wants("answer", fSYNACK)
	b.down.send(t, size)
	r.sleep(time.Millisecond)
	if at := sequenceOf(s); at.nxt-at.una < size/2 {
		t.Errorf("%d bytes in flight", at.nxt-at.una)
	}
	b.up.finish(t)
	b.down.finish(t)
}

// TestSACKBlocksFirst has a client that lacks a segment of the server, and the server's key
// half. So the timer's ACKs carry a SACK block, which leaves too little room for Key-Rest.
//
// M302: SACK blocks MUST go first: Key-Rest and Key-Confirm take the room that is left.
func TestSACKBlocksFirst(t *testing.T) {
	r := newRig(t, rigConfig{})
	var rec recorder
	var missing uint32
	r.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		seg, ok := p.TCP()
		switch {
		case !ok:
			t.Errorf("no TCP segment: %x", p.Bytes())
		case at.Dir == simnet.AtoB:
			rec.Process(p, at)
		case seg.Flags()&fSYN != 0:
			missing = seg.SequenceNumber() + 1
		case len(seg.Payload()) == 0 || seg.SequenceNumber() == missing:
			return simnet.Drop
		}
		return simnet.Pass
	})
	c, s := r.pair(serverAddr)
	down := newStream(s, c, 1)
	down.send(t, 10_000)
	r.sleep(time.Second)
	sacks := 0
	for _, seg := range rec.takes() {
		if blocks := seg.ParsedOptions().SACKBlocks; len(blocks) > 0 {
			sacks++
		}
	}
	if st := c.Migration().State; st != migrate.Keying || sacks < 8 {
		t.Errorf("%v, %d ACKs with SACK blocks", st, sacks)
	}
	r.inner[0].set(nil)
	r.await(c, s)
	down.finish(t)
}
