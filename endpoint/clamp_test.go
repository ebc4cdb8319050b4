// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestClampWhileDraining moves an idle client to a slow path. The server sends on the
// old path once it has answered the request. The client has this data before it has
// anything from the new path, where a tracker has not seen the data.
//
// M641: After a move an end MUST clamp its acknowledgements until everything received
// at that moment has been covered and no old tuple drains.
//
// M642: The ACK field and the right edge of each SACK block MUST stay at or below the
// highest SEQ + length received on this path. At first that is the SEQ + 1 of the
// peer's SYN-ACK, or the SEQ of the third ACK.
func TestClampWhileDraining(t *testing.T) {
	slow := simnet.Symmetric(simnet.Wire{Delay: 5 * delay})
	fast := simnet.Symmetric(simnet.Wire{Delay: delay})
	r := newRig(t, rigConfig{uplinks: []simnet.Uplink{{Link: fast}, {Link: slow}}, nat: &strictNAT})
	c, s := r.open(serverAddr)
	exchange(t, c, s, 1000)
	r.sleep(time.Second)
	up, down := newStream(c, s, 1), newStream(s, c, 2)
	before := sequenceOf(c).rcv
	moved := make(chan error, 1)
	go func() { moved <- c.Migrate(t.Context(), addr("10.2.0.2")) }()
	r.sleep(9 * delay) // the SYN-ACK is on its way
	down.send(t, 10_000)
	if err := <-moved; err != nil {
		t.Fatal(err)
	}
	r.sleep(4 * delay) // step 4 is on its way
	if got := sequenceOf(c).rcv - before; got != 10_000 {
		t.Fatalf("%d bytes of late data", got)
	}
	up.send(t, 10_000)
	r.sleep(time.Second)
	up.finish(t)
	down.finish(t)
	// The slow path has a SYN repeated, which trackers let pass.
	if st := r.net.NATs[1].Stats(); st.Invalid+st.RSTsSent > 0 || st.Tolerated > 1 {
		t.Errorf("%+v", st)
	}
}

// TestTrueAcknowledgement moves a client that has data which it could not acknowledge.
// Nobody sends data afterwards.
//
// M645: When the clamp falls away, the true ACK MUST be sent at once.
func TestTrueAcknowledgement(t *testing.T) {
	for _, suite := range allSuites {
		r := newRig(t, rigConfig{})
		r.suites(suite)
		b := newBurst(r, serverAddr, 10_000, false)
		var rec recorder
		r.inner[1].set(rec.Process)
		r.migrate(b.c, "10.2.0.2")
		r.sleep(4 * delay)
		acked := false
		for _, seg := range rec.takes() {
			acked = acked || seg.dir == simnet.AtoB && len(seg.Payload()) == 0 && seg.AckNumber() == b.atC.rcv
		}
		if !acked {
			t.Errorf("%v: no segment without payload acknowledges what has arrived", suite)
		}
		b.up.finish(t)
		b.down.finish(t)
	}
}

// TestClampedPeer has the server see a client whose acknowledgements are clamped. None of
// its covers gets through, and the client's option is stripped.
//
// M646: A receiver of an ACK MUST take ACK + window as the right edge, also when the
// ACK is below its SND.UNA. It MUST answer such an ACK with a segment at SND.NXT, or
// at the edge of M647.
func TestClampedPeer(t *testing.T) {
	r := newRig(t, rigConfig{})
	b := newBurst(r, serverAddr, 10_000, false)
	var rec recorder
	strip := (&simnet.OptionBox{Kinds: []uint8{kindMigrate}, Segments: simnet.OnACK}).Process
	third := false
	r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		seg, ok := p.TCP()
		switch {
		case !ok:
		case seg.Flags()&fSYN != 0:
			rec.Process(p, at)
		case at.Dir == simnet.AtoB && !third:
			third = true
		case at.Dir == simnet.AtoB:
			rec.Process(p, at)
			return strip(p, at)
		default:
			rec.Process(p, at)
			return simnet.Drop
		}
		return simnet.Pass
	})
	r.migrate(b.c, "10.2.0.2")
	r.sleep(time.Second)
	nxt := sequenceOf(b.s).nxt
	var clamped, answers int
	got := rec.takes()
	scale := first(t, got, fSYN).synOptions().WS
	var told uint32 // right edge
	for _, seg := range got {
		switch {
		case seg.Flags()&fSYN != 0:
		case seg.dir == simnet.AtoB && seg.AckNumber() == b.atS.una:
			clamped++
			told = seg.AckNumber() + uint32(seg.WindowSize())<<scale
		case seg.dir == simnet.BtoA && seg.SequenceNumber() == nxt && len(seg.Payload()) == 0 && !bytes.Contains(seg.Options(), []byte{kindMigrate, 26}):
			answers++
		}
	}
	if clamped == 0 || answers < clamped {
		t.Errorf("%d answers to %d clamped acknowledgements", answers, clamped)
	}
	if short := int32(rightEdge(b.c, scale) - told); short > 0 {
		t.Errorf("the window ends %d bytes early", short)
	}
	// The window that such an ACK announces is the client's.
	b.down.send(t, 20_000)
	r.sleep(delay)
	sent := false
	for _, seg := range rec.takes() {
		sent = sent || seg.dir == simnet.BtoA && len(seg.Payload()) > 0
	}
	if !sent {
		t.Error("the server sends nothing")
	}
	r.inner[1].set(nil)
	b.up.finish(t)
	b.down.finish(t)
}

// rightEdge returns the right edge of the window that c has advertised, as a window field
// with this scale tells it.
func rightEdge(c *Conn, scale int) (edge uint32) {
	ep := c.ep.(tcbReader)
	ep.MigrationLock(func() {
		tcb := ep.MigrationTCB()
		edge = tcb.RcvNxt + (tcb.RcvAcc-tcb.RcvNxt)>>scale<<scale
	})
	return edge
}

// TestLateAcknowledgement has a segment with payload come on the tuple that the client
// has left. It acknowledges data and a FIN that were sent on the new path alone.
//
// M622: Late segments on an old tuple bring data. Their acknowledgements, windows,
// resets and ICMP errors MUST NOT count.
func TestLateAcknowledgement(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	local, remote := v.c.addrs()
	// A byte of the server is late: it got lost on both paths.
	data := dropFrom(simnet.BtoA, &recorder{})
	v.inner[0].set(data)
	v.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if s, ok := p.TCP(); ok && len(s.Payload()) > 0 {
			return data(p, at)
		}
		return simnet.Pass
	})
	if _, err := v.s.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	v.sleep(2 * delay)
	v.inner[0].set(nil)
	v.migrate(v.c, "10.2.0.2")
	v.sleep(time.Second)
	v.inner[1].set(func(*simnet.Packet, simnet.Hop) simnet.Verdict { return simnet.Drop })
	if _, err := v.c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := v.c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	v.sleep(time.Millisecond)
	before, state := sequenceOf(v.c), v.c.TCPInfo().State
	if before.nxt-before.una != 1001 {
		t.Fatalf("%+v", before)
	}
	v.mallory.plays(segment{src: remote, dst: local, seq: before.rcv, ack: before.nxt, flags: fACK, payload: []byte{1}})
	v.sleep(2 * delay)
	if after := sequenceOf(v.c); after.una != before.una || after.rcv != before.rcv+1 {
		t.Errorf("%+v, was %+v", after, before)
	}
	if now := v.c.TCPInfo().State; now != state {
		t.Errorf("%s, was %s", now, state)
	}
}
