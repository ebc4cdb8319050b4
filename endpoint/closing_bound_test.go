// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// maxFINTime is gVisor's constant of this name.
const maxFINTime = 2 * time.Minute

// TestCloseWithoutAnswer closes a connection whose path has just died. Only its FIN is in
// flight, and it may be held for an hour. The same with data in front of the FIN is kept:
// the data arrives when there is a path again.
//
// M733: An end that the application has closed MUST end after maxFINTime in which nothing
// but its FIN is in flight. Moves and holds MUST NOT stop that time.
func TestCloseWithoutAnswer(t *testing.T) {
	hold := func(c *Conn) { netstack.MigrationOf(c.ep).Hold() }
	t.Run("FIN", func(t *testing.T) {
		for name, then := range map[string]func(*Conn){
			"retransmitted": func(*Conn) {},
			"held":          hold,
			"attempts to move": func(c *Conn) {
				go netstack.MigrationOf(c.ep).Leave(t.Context(), addr("10.2.0.2"), addr(serverAddr))
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.dialer.MigrationOptions.HoldOnTimeout = time.Hour
				c, _ := r.open(serverAddr)
				r.sleep(time.Second)
				for _, up := range r.net.Uplinks {
					up.SetDown(true)
				}
				c.Close()
				r.sleep(delay)
				then(c)
				r.sleep(maxFINTime - time.Second)
				if n := connections(r.client); n != 1 {
					t.Errorf("%d connections before the time is over", n)
				}
				r.sleep(2 * time.Second)
				if n := connections(r.client); n != 0 {
					t.Errorf("%d connections left in %s", n, c.TCPInfo().State)
				}
			})
		}
	})
	t.Run("data", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		r.dialer.MigrationOptions.HoldOnTimeout = time.Hour
		c, s := r.open(serverAddr)
		r.sleep(time.Second)
		r.breakUplink(0)
		mustWrite(t, c, "last words")
		c.Close()
		hold(c)
		r.sleep(30 * time.Minute)
		if err := netstack.MigrationOf(c.ep).Leave(t.Context(), addr("10.2.0.2"), addr(serverAddr)); err != nil {
			t.Fatal(err)
		}
		wantRest(t, s, "last words")
		s.Close()
		r.nothingLeft(t)
	})
}

// TestResetAtClampedACK has the peer vanish while this end clamps its acknowledgements: what
// the peer's host answers is not at RCV.NXT. It counts as any RST without a tag.
//
// M734: While an end clamps its acknowledgements, a RST on the current path whose SEQ is the
// clamped ACK field MUST count as one at RCV.NXT.
func TestResetAtClampedACK(t *testing.T) {
	r := newRig(t, rigConfig{})
	c, s := r.open(serverAddr)
	r.sleep(time.Second)
	fromClient := func(keep func(flags uint8) bool) gateFunc {
		return func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
			if t, ok := p.TCP(); ok && at.Dir == simnet.AtoB && !keep(uint8(t.Flags())) {
				return simnet.Drop
			}
			return simnet.Pass
		}
	}
	// The server does not hear that its data has arrived.
	r.inner[0].set(fromClient(func(uint8) bool { return false }))
	mustWrite(t, s, "data")
	r.sleep(2 * delay)
	if _, err := c.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	// It does not move either, and its abort gets lost.
	r.inner[1].set(fromClient(func(flags uint8) bool { return flags == uint8(fSYN) }))
	r.migrate(c, "10.2.0.2")
	for _, g := range r.inner {
		g.set(func(*simnet.Packet, simnet.Hop) simnet.Verdict { return simnet.Drop })
	}
	s.SetLinger(0)
	s.Close()
	r.sleep(delay)
	for _, g := range r.inner {
		g.set(nil)
	}
	mustWrite(t, c, "anybody there?")
	begin := r.net.Clock.Elapsed()
	if err := r.readError(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v after %v", err, r.net.Clock.Elapsed()-begin)
	}
	if took := r.net.Clock.Elapsed() - begin; took > gone {
		t.Errorf("after %v", took)
	}
}
