// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

func TestRoamerErrors(t *testing.T) {
	if _, err := NewRoamer(RoamerConfig{}); err != errNoStack {
		t.Errorf("without a stack: %v", err)
	}
	st := newStack(t, netstack.Config{})
	broken := errors.New("broken")
	if _, err := NewRoamer(RoamerConfig{Stack: st, Monitor: brokenMonitor{broken}}); err != broken {
		t.Errorf("with a broken monitor: %v", err)
	}
}

type brokenMonitor struct{ err error }

func (m brokenMonitor) Watch(func(roam.Change)) (func(), error) { return nil, m.err }

// attempting returns a connection with an attempt under way that nobody answers.
func attempting(t *testing.T) (l *roamLab, c, s *Conn) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s = l.open(serverAddr)
	l.inner[0].set(dropSYNs)
	m.set(false, wwan)
	l.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	return l, c, s
}

// TestRoamRelease lets a connection go. What is under way is given up, and it
// stays where it is whatever comes.
func TestRoamRelease(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	l.dialer.Roamer = nil
	c, s := l.open(serverAddr)
	release := l.roamer.Manage(c)
	l.roamer.Manage(c)() // there is one to release only
	release()
	release = l.roamer.Manage(c)
	l.inner[0].set(dropSYNs)
	m.set(false, wwan)
	l.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	release()
	if ev := l.attempted(1, time.Second); !errors.Is(ev.Err, errReleased) {
		t.Errorf("%+v", ev)
	}
	l.inner[0].set(nil)
	m.set(true, wlan)
	l.roamer.Hint(c)
	l.sleep(time.Minute)
	if n := l.events.count(); n != 1 {
		t.Errorf("%d attempts", n)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamerClose closes a Roamer during an attempt. The connection stays.
func TestRoamerClose(t *testing.T) {
	l, c, s := attempting(t)
	l.roamer.Close()
	if ev := l.attempted(1, 0); !errors.Is(ev.Err, errRoamerClosed) {
		t.Errorf("%+v", ev)
	}
	l.roamer.Close() // twice
	l.roamer.Manage(c)()
	l.roamer.Hint(c)
	l.inner[0].set(nil)
	bothWays(t, c, s, 64<<10)()
}

// TestRoamConnCloses closes a connection during an attempt.
func TestRoamConnCloses(t *testing.T) {
	l, c, _ := attempting(t)
	c.SetLinger(0)
	c.Close()
	if ev := l.attempted(1, time.Second); ev.Err == nil {
		t.Errorf("%+v", ev)
	}
	l.sleep(time.Minute)
	if n := l.events.count(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// TestRoamStackCloses closes the stack under the Roamer.
func TestRoamStackCloses(t *testing.T) {
	l, _, _ := attempting(t)
	l.client.Close()
	if ev := l.attempted(1, time.Second); ev.Err == nil {
		t.Errorf("%+v", ev)
	}
	l.sleep(time.Minute)
	if n := l.events.count(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// TestRoamPlain: a connection that cannot migrate is left alone.
func TestRoamPlain(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	l.listen.Migration = Off
	c, s := l.pair(serverAddr)
	l.roamer.Manage(c)()
	l.roamer.Manage(c)
	l.roamer.Hint(c)
	l.net.Uplinks[0].SetDown(true)
	c.Write([]byte("x"))
	l.sleep(10 * time.Second)
	l.net.Uplinks[0].SetDown(false)
	if n := l.events.count(); n != 0 {
		t.Errorf("%d attempts", n)
	}
	b := make([]byte, 1)
	s.SetReadDeadline(l.net.Clock.Now().Add(patience))
	if n, err := s.Read(b); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// TestRoamServerHolds bounds what a listener keeps of clients without a path, in
// number and in bytes. Those within the bounds resume.
func TestRoamServerHolds(t *testing.T) {
	const n, bound = 6, 3
	size := int64(2 * netstack.DefaultBuffer)
	for name, cfg := range map[string]netstack.MigrationConfig{
		"number": {MaxHolds: bound},
		"bytes":  {MaxHoldBytes: bound*size + size/2},
	} {
		t.Run(name, func(t *testing.T) {
			server := netstack.Config{
				Migration:     cfg,
				SendBuffer:    netstack.BufferSizes{Default: netstack.DefaultBuffer, Max: netstack.DefaultBuffer},
				ReceiveBuffer: netstack.BufferSizes{Default: netstack.DefaultBuffer, Max: netstack.DefaultBuffer},
			}
			l := newRoamLab(t, labConfig{server: server}, RoamerConfig{})
			l.listen.MigrationOptions.HoldOnTimeout = DefaultRoamHold
			conns := l.pairs(n, serverAddr)
			l.await(conns...)
			l.breakUplink(0)
			l.breakUplink(1)
			for i := range n {
				conns[2*i+1].Write([]byte("x"))
			}
			l.sleep(50 * time.Minute) // longer than TCP has patience
			if st := l.server.MigrationStats(); st.Holds != bound || st.Counts[migrate.CountHoldRefused] != n-bound {
				t.Errorf("%d holds, %d refused", st.Holds, st.Counts[migrate.CountHoldRefused])
			}
			l.mend(0)
			l.until("resumed", time.Second, func() bool { return len(l.events.moves()) == bound })
			got := 0
			for i := range n {
				conns[2*i].SetReadDeadline(l.net.Clock.Now().Add(time.Second))
				if n, _ := conns[2*i].Read(make([]byte, 1)); n == 1 {
					got++
				}
			}
			if st := l.server.MigrationStats(); got != bound || st.Holds != 0 {
				t.Errorf("%d got their data, %d holds left", got, st.Holds)
			}
		})
	}
}

// serverRoams gives the server a second address, and a Roamer for what is accepted
// from now on.
func (l *roamLab) serverRoams() (*Roamer, *roamEvents) {
	l.tb.Helper()
	events := &roamEvents{now: l.net.Clock.Elapsed}
	r, err := NewRoamer(RoamerConfig{Stack: l.server, Observe: events.add})
	if err != nil {
		l.tb.Fatal(err)
	}
	l.tb.Cleanup(func() { r.Close() })
	l.listen.Roamer = r
	if err := l.eth.AddAddress(twoAddresses[1]); err != nil {
		l.tb.Fatal(err)
	}
	l.net.Core.Route(netip.PrefixFrom(server2, 32), l.net.Bottleneck)
	return r, events
}

// TestRoamAccepted has the server's address change, and the server's Roamer tell
// the client.
func TestRoamAccepted(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{Policy: Manual})
	_, events := l.serverRoams()
	c, s := l.open(serverAddr)
	done := bothWays(t, c, s, 1<<20)
	l.loseServer()
	l.until("moved", time.Second, func() bool { return len(events.moves()) == 1 })
	if ev := events.moves()[0]; ev.Cause != roam.PathGone || ev.To.Addr() != server2 {
		t.Errorf("%+v", ev)
	}
	done()
	// Silence is no reason: the client can come back by itself.
	_, s = l.open("10.9.0.2:80")
	l.net.Bottleneck.SetDown(true)
	s.Write([]byte("x"))
	l.sleep(time.Minute)
	if n := events.count(); n != 1 {
		t.Errorf("%d attempts towards a client that is silent", n-1)
	}
	l.net.Bottleneck.SetDown(false)
}

// TestRoamAcceptedStays: the client chose the address, whatever the server likes
// best.
func TestRoamAcceptedStays(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	_, events := l.serverRoams()
	l.open("10.9.0.2:80")
	l.sleep(time.Hour)
	if n := events.count() + l.events.count(); n != 0 {
		t.Errorf("%d attempts", n)
	}
}

// TestRoamCrossing has both ends move at the same instant, from paths that work.
// One gives way.
func TestRoamCrossing(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	r, events := l.serverRoams()
	c, s := l.open(serverAddr)
	done := bothWays(t, c, s, 1<<20)
	l.roamer.Hint(c)
	r.Hint(s)
	l.moved(1, time.Second, roam.Hint)
	l.sleep(5 * time.Second)
	if n := events.count(); n != 1 || !errors.Is(events.all[0].Err, ErrYielded) {
		t.Errorf("%+v", events.all)
	}
	done()
}

// TestRoamClosed closes a connection at both ends. Until TIME-WAIT is over the client
// neither asks a peer that is gone nor tries to move, and no hold is spent on it, which
// a connection in need would be refused.
func TestRoamClosed(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, s := l.open(serverAddr)
	down := newStream(s, c, 1)
	down.send(t, 64<<10)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	down.finish(t)
	s.Close()
	c.Close()
	l.sleep(500 * time.Millisecond) // the FINs have been acknowledged
	var packets atomic.Int64
	l.inner[0].set(func(*simnet.Packet, simnet.Hop) simnet.Verdict {
		packets.Add(1)
		return simnet.Pass
	})
	l.sleep(45 * time.Second)
	if n := packets.Load(); n > 0 {
		t.Errorf("%d packets after the end", n)
	}
	if n := l.events.count(); n > 0 {
		t.Errorf("%d attempts to move", n)
	}
	if n := l.client.MigrationStats().Holds; n > 0 {
		t.Errorf("%d holds", n)
	}
}

// TestRoamClosedMeanwhile closes a connection during a move, which is what what was
// written needs.
func TestRoamClosedMeanwhile(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	up := newStream(c, s, 1)
	l.inner[0].set(dropSYNs)
	m.set(false, wwan)
	l.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	up.send(t, 64<<10)
	c.Close()
	l.inner[0].set(nil)
	if ev := l.attempted(1, 10*time.Second); ev.Err != nil {
		t.Errorf("%+v", ev)
	}
	up.check(t)
}

// TestRoamLingering closes a connection with data on its way, whose path then goes.
// What was written arrives as if nobody had closed.
func TestRoamLingering(t *testing.T) {
	l, m := newMonitored(t, labConfig{client: bigBuffers(), server: bigBuffers()}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	up := newStream(c, s, 1)
	old, _ := c.addrs()
	l.inner[0].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if s, ok := p.TCP(); ok && s.SourcePort() == old.Port() {
			return simnet.Drop
		}
		return simnet.Pass
	})
	up.send(t, 1<<20)
	c.Close()
	m.set(false, wwan)
	if ev := l.attempted(1, 10*time.Second); ev.Err != nil {
		t.Errorf("%+v", ev)
	}
	up.check(t)
	if err := c.Migrate(t.Context(), netip.AddrPortFrom(wlan.Local, 0)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the application's own move: %v", err)
	}
}

// TestMigrateEnds ends a connection during a move that somebody waits for.
func TestMigrateEnds(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{Policy: Manual})
	c, _ := l.open(serverAddr)
	l.inner[0].set(dropSYNs)
	done := make(chan error, 1)
	go func() { done <- c.Migrate(t.Context(), netip.AddrPortFrom(wwan.Local, 0)) }()
	l.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	if err := c.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
