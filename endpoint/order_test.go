// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// dropFrom returns a gate that drops what one direction sends on an uplink, but SYNs and
// SYN-ACKs, and shows all to rec.
func dropFrom(dir simnet.Direction, rec *recorder) gateFunc {
	return func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		rec.Process(p, at)
		if seg, ok := p.TCP(); ok && at.Dir == dir && seg.Flags()&fSYN == 0 {
			return simnet.Drop
		}
		return simnet.Pass
	}
}

// TestMoveAfterMove has an initiator that has moved want to go on, while the receipts get
// lost.
//
// M581: An end that has moved MUST wait with its next request until step 5 has come,
// or step 4 has been repeated patience times. It need not if the address is no longer
// its own.
func TestMoveAfterMove(t *testing.T) {
	up := simnet.Uplink{Link: simnet.Symmetric(simnet.Wire{Delay: delay})}
	for _, gone := range []bool{false, true} {
		r := newRig(t, rigConfig{uplinks: []simnet.Uplink{up, up, up}})
		c, s := r.open(serverAddr)
		exchange(t, c, s, 1000)
		var second, third recorder
		r.inner[1].set(dropFrom(simnet.BtoA, &second))
		r.inner[2].set(third.Process)
		r.migrate(c, "10.2.0.2")
		if gone {
			r.breakUplink(1)
		}
		begin := r.net.Clock.Elapsed()
		moved := make(chan error, 1)
		go func() { moved <- c.Migrate(t.Context(), addr("10.3.0.2")) }()
		for len(third.takes()) == 0 {
			r.sleep(time.Millisecond)
		}
		took := r.net.Clock.Elapsed() - begin
		repeats := -1
		for _, seg := range second.takes() {
			if seg.dir == simnet.AtoB && bytes.Contains(seg.Options(), []byte{kindMigrate, 26}) && seg.Flags() == fACK {
				repeats++
			}
		}
		if !gone && repeats < 2 || gone && took > 2*delay {
			t.Errorf("address gone %v: the next request comes after %v and %d repetitions of step 4", gone, took, repeats)
		}
		if err := <-moved; err != nil {
			t.Error(err)
		}
		exchange(t, c, s, 1000)
	}
}

// TestMoveAfterAnswer has a responder that has answered a request want to move, while the
// third ACKs get lost. It asks at once. The ends agree on one of the moves, also if the
// client went to an address of the server that is gone.
//
// M589: If only one of two crossing moves has left a path that is gone, its end MUST
// take the part of the opener in M586.
func TestMoveAfterAnswer(t *testing.T) {
	for _, gone := range []bool{false, true} {
		r := newRig(t, rigConfig{homes: twoHomes})
		c, s := r.open(serverAddr)
		exchange(t, c, s, 1000)
		var rec recorder
		r.inner[1].set(dropFrom(simnet.AtoB, &rec))
		r.migrate(c, "10.2.0.2")
		if gone {
			if err := r.eth.RemoveAddress(addr(serverAddr).Addr()); err != nil {
				t.Fatal(err)
			}
		}
		var all recorder
		r.net.Bottleneck.Use(&all)
		moved := make(chan error, 1)
		go func() { moved <- s.Migrate(t.Context(), addr("10.9.0.2")) }()
		r.sleep(time.Second)
		if asked := slices.ContainsFunc(all.takes(), func(seg recorded) bool { return seg.Flags() == fSYN }); !asked {
			t.Errorf("address gone %v: asked %v", gone, asked)
		}
		r.inner[1].set(nil)
		if err := <-moved; err != nil {
			t.Errorf("address gone %v: %v", gone, err)
		}
		exchange(t, c, s, 1000)
		c1, s1 := c.Migration().Current, s.Migration().Current
		if c1.Local != s1.Remote || c1.Remote != s1.Local || gone != (s1.Local.Addr() == addr("10.9.0.2").Addr()) {
			t.Errorf("address gone %v: the ends are at %v and %v", gone, c1, s1)
		}
	}
}

// TestWhatStays moves a connection that is half closed, with data that nobody has read.
//
// M605: Window scales, timestamp offset, SACK permission, queues and the TCP state
// MUST stay.
func TestWhatStays(t *testing.T) {
	for _, mover := range []string{"client", "server"} {
		r := newRig(t, rigConfig{homes: twoHomes})
		c, s := r.open(serverAddr)
		exchange(t, c, s, 1000)
		if _, err := c.Write([]byte("to the server")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("to the client")); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		r.sleep(time.Second)
		before := [2]TCPInfo{c.TCPInfo(), s.TCPInfo()}
		stamps := r.tsRecent(c, s)
		e, to := c, "10.2.0.2"
		if mover == "server" {
			e, to = s, "10.9.0.2"
		}
		begin := r.net.Clock.Elapsed()
		r.migrate(e, to)
		r.sleep(4 * delay)
		took := r.net.Clock.Elapsed() - begin
		for i, now := range [2]TCPInfo{c.TCPInfo(), s.TCPInfo()} {
			if now.State != before[i].State || now.ReceiveQueue != before[i].ReceiveQueue || now.ReceiveQueue == 0 {
				t.Errorf("%s moves: end %d: %+v, was %+v", mover, i, now, before[i])
			}
			// A second passed before, without a segment.
			if d := time.Duration(r.tsRecent(c, s)[i]-stamps[i]) * time.Millisecond; d < time.Second-2*delay || d > took+time.Second+2*delay {
				t.Errorf("%s moves: timestamps of the peer of end %d advance by %v", mover, i, d)
			}
		}
		b := make([]byte, 100)
		if n, err := s.Read(b); err != nil || string(b[:n]) != "to the server" {
			t.Errorf("%q, %v", b[:n], err)
		}
		if n, err := c.Read(b); err != nil || string(b[:n]) != "to the client" {
			t.Errorf("%q, %v", b[:n], err)
		}
		s.Close()
		c.Close()
	}
}
