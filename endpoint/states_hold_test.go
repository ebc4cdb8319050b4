// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// TestHoldExpires waits for a migration that does not come.
func TestHoldExpires(t *testing.T) {
	const hold = 45 * time.Second
	v := newVictim(t, labConfig{}, migrate.SuiteX25519SHA256)
	v.s.Close()
	v.c.Close()
	v.listen.MigrationOptions.Hold = hold
	v.c, v.s = v.open("10.9.0.1:81")
	v.mallory.send(v.forgedReset())
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
func TestHoldBound(t *testing.T) {
	const bound = 2
	cfg := netstack.Config{Migration: netstack.MigrationConfig{MaxHolds: bound}}
	v := newVictim(t, labConfig{server: cfg}, migrate.SuiteX25519SHA256)
	conns := [][2]*Conn{{v.c, v.s}}
	for range bound {
		c, s := v.open(serverAddr)
		conns = append(conns, [2]*Conn{c, s})
	}
	for i, c := range conns {
		v.c, v.s = c[0], c[1]
		v.mallory.send(v.forgedReset())
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
	v.mallory.send(v.forgedReset())
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
func TestHoldOnTimeout(t *testing.T) {
	needPatched(t)
	const hold = 10 * time.Minute
	open := func() (l *lab, c, s *Conn) {
		l = newLab(t, labConfig{})
		l.dialer.MigrationOptions.HoldOnTimeout = hold
		c, s = l.open(serverAddr)
		l.breakUplink(0)
		c.Write([]byte("lost"))
		for range 100 {
			if c.Migration().Holding {
				return l, c, s
			}
			l.sleep(time.Minute)
		}
		t.Fatal("never held")
		return
	}
	t.Run("moves", func(t *testing.T) {
		l, c, s := open()
		if n := counts(l.client, migrate.CountTimeoutHeld); n != 1 {
			t.Errorf("held: %d", n)
		}
		l.migrate(c, "10.2.0.2")
		b := make([]byte, 4)
		s.SetReadDeadline(l.net.Clock.Now().Add(patience))
		if n, err := s.Read(b); n != 4 || string(b) != "lost" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		bothWays(t, c, s, 64<<10)()
	})
	t.Run("expires", func(t *testing.T) {
		l, c, s := open()
		defer s.Close()
		begin := l.net.Clock.Elapsed()
		c.SetReadDeadline(l.net.Clock.Now().Add(10 * hold))
		_, err := c.Read(make([]byte, 1))
		if took := l.net.Clock.Elapsed() - begin; !errors.Is(err, syscall.ETIMEDOUT) || took > hold+time.Minute {
			t.Errorf("%v after %v, want ETIMEDOUT after %v", err, took, hold)
		}
		if n := counts(l.client, migrate.CountHoldExpired); n != 1 {
			t.Errorf("expired: %d", n)
		}
		if n := l.client.MigrationStats().Holds; n != 0 {
			t.Errorf("%d holds", n)
		}
	})
}
