// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestHoldExpires waits for a migration that does not come.
func TestHoldExpires(t *testing.T) {
	const hold = 45 * time.Second
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.s.Close()
	v.c.Close()
	v.listen.MigrationOptions.Hold = hold
	v.c, v.s = v.open("10.9.0.1:81")
	v.mallory.plays(resetOf(v.s))
	begin := v.net.Clock.Elapsed()
	err := v.readError(v.s)
	if took := v.net.Clock.Elapsed() - begin; !errors.Is(err, syscall.ECONNRESET) || took < hold-time.Second || took > hold+time.Second {
		t.Errorf("%v after %v, want after %v", err, took, hold)
	}
	if n := counts(v.server, migrate.CountHoldExpired); n != 1 {
		t.Errorf("expired: %d", n)
	}
	if n := v.server.MigrationStats().Holds; n != 0 {
		t.Errorf("%d holds", n)
	}
}

// TestHoldBound has more connections reset than the stack lets wait.
//
// M710: Holds MUST be bounded in number per stack. Over the number a RST MUST close as
// always.
func TestHoldBound(t *testing.T) {
	const bound = 2
	cfg := netstack.Config{Migration: netstack.MigrationConfig{MaxHolds: bound}}
	v := newVictim(t, rigConfig{server: cfg}, migrate.SuiteX25519SHA256)
	conns := [][2]*Conn{{v.c, v.s}}
	for range bound {
		c, s := v.open(serverAddr)
		conns = append(conns, [2]*Conn{c, s})
	}
	for i, c := range conns {
		v.c, v.s = c[0], c[1]
		v.mallory.plays(resetOf(v.s))
		if holding := v.s.Migration().Holding; holding != (i < bound) {
			t.Errorf("connection %d: holding %v", i, holding)
		}
	}
	if err := v.readError(conns[bound][1]); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if st := v.server.MigrationStats(); st.Holds != bound || st.Counts[migrate.CountHoldRefused] != 1 {
		t.Errorf("%d holds, counts %v", st.Holds, st.Counts)
	}
	// One that moves makes room for another.
	v.c, v.s = conns[0][0], conns[0][1]
	v.migrate(v.c, "10.2.0.2")
	v.sleep(time.Second)
	v.mallory.plays(resetOf(v.s))
	if st := v.server.MigrationStats(); !v.s.Migration().Holding || st.Holds != bound {
		t.Errorf("holding %v, %d holds", v.s.Migration().Holding, st.Holds)
	}
	// One that is closed by its owner does as well.
	conns[1][1].SetLinger(0)
	conns[1][1].Close()
	if st := v.server.MigrationStats(); st.Holds != bound-1 {
		t.Errorf("%d holds", st.Holds)
	}
}

// TestHoldOnTimeout has TCP give up for want of acknowledgements.
//
// M708: A hold MAY replace the end of TCP's retransmissions, if the application asks for
// that.
func TestHoldOnTimeout(t *testing.T) {
	needPatched(t)
	const hold = 10 * time.Minute
	open := func() (r *rig, c, s *Conn) {
		r = newRig(t, rigConfig{})
		r.dialer.MigrationOptions.HoldOnTimeout = hold
		c, s = r.open(serverAddr)
		r.breakUplink(0)
		c.Write([]byte("lost"))
		for range 100 {
			if c.Migration().Holding {
				return r, c, s
			}
			r.sleep(time.Minute)
		}
		t.Fatal("never held")
		return
	}
	t.Run("moves", func(t *testing.T) {
		r, c, s := open()
		if n := counts(r.client, migrate.CountTimeoutHeld); n != 1 {
			t.Errorf("held: %d", n)
		}
		r.migrate(c, "10.2.0.2")
		b := make([]byte, 4)
		s.SetReadDeadline(r.net.Clock.Now().Add(patience))
		if n, err := s.Read(b); n != 4 || string(b) != "lost" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		bothWays(t, c, s, 64<<10)()
	})
	t.Run("expires", func(t *testing.T) {
		r, c, s := open()
		defer s.Close()
		begin := r.net.Clock.Elapsed()
		c.SetReadDeadline(r.net.Clock.Now().Add(10 * hold))
		_, err := c.Read(make([]byte, 1))
		if took := r.net.Clock.Elapsed() - begin; !errors.Is(err, syscall.ETIMEDOUT) || took > hold+time.Minute {
			t.Errorf("%v after %v, want ETIMEDOUT after %v", err, took, hold)
		}
		if n := counts(r.client, migrate.CountHoldExpired); n != 1 {
			t.Errorf("expired: %d", n)
		}
		if n := r.client.MigrationStats().Holds; n != 0 {
			t.Errorf("%d holds", n)
		}
	})
}

// TestHoldStopsTimers holds a connection that has data in flight.
//
// M704: TCP's timers MUST stand still during a hold.
func TestHoldStopsTimers(t *testing.T) {
	r := newRig(t, rigConfig{})
	r.dialer.MigrationOptions.HoldOnTimeout = time.Hour
	c, s := r.open(serverAddr)
	exchange(t, c, s, 1000)
	r.breakUplink(0)
	c.Write([]byte("lost"))
	netstack.MigrationOf(c.ep).Hold()
	before := c.TCPInfo()
	r.sleep(time.Minute)
	if now := c.TCPInfo(); now.RTO != before.RTO || now.InFlight != before.InFlight {
		t.Errorf("%+v, was %+v", now, before)
	}
	r.migrate(c, "10.2.0.2")
	b := make([]byte, 4)
	s.SetReadDeadline(r.net.Clock.Now().Add(time.Second))
	if n, err := s.Read(b); n != 4 || string(b) != "lost" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// TestAbortWhileHeld has the peer's application abort while a connection waits. The
// connection has nothing left to wait for. It reports the abort, not the reason for the
// wait.
func TestAbortWhileHeld(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
		v.mallory.plays(resetOf(v.s))
		if !v.s.Migration().Holding {
			t.Fatal("not held")
		}
		v.aborted(t, v.c, v.s)
	})
	t.Run("held for want of a path", func(t *testing.T) {
		r := newRig(t, rigConfig{})
		r.dialer.MigrationOptions.HoldOnTimeout = time.Hour
		c, s := r.open(serverAddr)
		netstack.MigrationOf(c.ep).Hold()
		if !c.Migration().Holding {
			t.Fatal("not held")
		}
		r.aborted(t, s, c)
	})
}

// TestAbortAfterHold has the peer's application abort on a tuple that is about to
// become the connection's, which has waited earlier for another reason.
//
// M722: A RST with a valid Abort tag and a SEQ in the receive window MUST close the
// connection. It MUST do so on whatever tuple it arrives, also on one that this end never
// heard of.
func TestAbortAfterHold(t *testing.T) {
	r := newRig(t, rigConfig{homes: twoHomes})
	r.dialer.MigrationOptions.HoldOnTimeout = time.Hour
	c, s := r.open(serverAddr)
	netstack.MigrationOf(c.ep).Hold()
	r.migrate(c, "10.2.0.2")
	r.sleep(time.Second)
	// The server leaves, and the end of its move is lost. It aborts on a tuple that the
	// client does not take for the current one yet.
	r.inner[1].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if t, ok := p.TCP(); ok && at.Dir == simnet.BtoA && t.Flags() == fACK {
			return simnet.Drop
		}
		return simnet.Pass
	})
	if err := s.Migrate(context.Background(), addr("10.9.0.2")); err != nil {
		t.Fatal(err)
	}
	r.aborted(t, s, c)
}

// TestAbortBehindLoss has an end abort when a segment of its last data has got lost: the RST
// is not at RCV.NXT of the peer.
//
// M722: A RST with a valid Abort tag and a SEQ in the receive window MUST close the
// connection. It MUST do so on whatever tuple it arrives, also on one that this end never
// heard of.
func TestAbortBehindLoss(t *testing.T) {
	for _, client := range []bool{false, true} {
		for _, moved := range []bool{false, true} {
			t.Run(fmt.Sprintf("client=%v/moved=%v", client, moved), func(t *testing.T) {
				r := newRig(t, rigConfig{})
				c, s := r.open(serverAddr)
				if moved {
					exchange(t, c, s, 10_000)
					r.migrate(c, "10.2.0.2")
				}
				if !client {
					c, s = s, c
				}
				lost := false
				for _, g := range r.inner {
					g.set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
						if t, ok := p.TCP(); ok && len(t.Payload()) > 0 && !lost {
							lost = true
							return simnet.Drop
						}
						return simnet.Pass
					})
				}
				mustWrite(t, c, string(make([]byte, 10_000)))
				r.aborted(t, c, s)
			})
		}
	}
}

// aborted has one end abort and checks that the other knows that at once.
func (r *rig) aborted(t *testing.T, by, other *Conn) {
	t.Helper()
	begin := r.net.Clock.Elapsed()
	by.SetLinger(0)
	by.Close()
	if err := r.readError(other); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if took := r.net.Clock.Elapsed() - begin; took > 2*delay {
		t.Errorf("after %v", took)
	}
	if n := counts(other.stack, migrate.CountAborted); n != 1 {
		t.Errorf("aborted: %d", n)
	}
}
