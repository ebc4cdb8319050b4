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
func attempting(t *testing.T) (r *roamRig, c, s *Conn) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s = r.open(serverAddr)
	r.inner[0].set(dropSYNs)
	m.set(false, wwan)
	r.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	return r, c, s
}

// TestRoamRelease lets a connection go. The Roamer gives up the attempt under way.
// Later events do not move the connection.
func TestRoamRelease(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	r.dialer.Roamer = nil
	c, s := r.open(serverAddr)
	release := r.roamer.Manage(c)
	r.roamer.Manage(c)() // there is one to release only
	release()
	release = r.roamer.Manage(c)
	r.inner[0].set(dropSYNs)
	m.set(false, wwan)
	r.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	release()
	if ev := r.attempted(1, time.Second); !errors.Is(ev.Err, errReleased) {
		t.Errorf("%+v", ev)
	}
	r.inner[0].set(nil)
	m.set(true, wlan)
	r.roamer.Hint(c)
	r.sleep(time.Minute)
	if n := r.events.count(); n != 1 {
		t.Errorf("%d attempts", n)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamerClose closes a Roamer during an attempt. The connection stays.
func TestRoamerClose(t *testing.T) {
	r, c, s := attempting(t)
	r.roamer.Close()
	if ev := r.attempted(1, 0); !errors.Is(ev.Err, errRoamerClosed) {
		t.Errorf("%+v", ev)
	}
	r.roamer.Close() // twice
	r.roamer.Manage(c)()
	r.roamer.Hint(c)
	r.inner[0].set(nil)
	bothWays(t, c, s, 64<<10)()
}

// TestRoamConnCloses closes a connection during an attempt.
func TestRoamConnCloses(t *testing.T) {
	r, c, _ := attempting(t)
	c.SetLinger(0)
	c.Close()
	if ev := r.attempted(1, time.Second); ev.Err == nil {
		t.Errorf("%+v", ev)
	}
	r.sleep(time.Minute)
	if n := r.events.count(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// TestRoamStackCloses closes the stack under the Roamer.
func TestRoamStackCloses(t *testing.T) {
	r, _, _ := attempting(t)
	r.client.Close()
	if ev := r.attempted(1, time.Second); ev.Err == nil {
		t.Errorf("%+v", ev)
	}
	r.sleep(time.Minute)
	if n := r.events.count(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// TestRoamPlain: a connection that cannot migrate is left alone.
func TestRoamPlain(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	r.listen.Migration = Off
	c, s := r.pair(serverAddr)
	r.roamer.Manage(c)()
	r.roamer.Manage(c)
	r.roamer.Hint(c)
	r.net.Uplinks[0].SetDown(true)
	c.Write([]byte("x"))
	r.sleep(10 * time.Second)
	r.net.Uplinks[0].SetDown(false)
	if n := r.events.count(); n != 0 {
		t.Errorf("%d attempts", n)
	}
	b := make([]byte, 1)
	s.SetReadDeadline(r.net.Clock.Now().Add(patience))
	if n, err := s.Read(b); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// TestRoamServerHolds bounds the connections that a listener keeps of clients without a
// path, in number and in bytes. Connections within the bounds resume.
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
			r := newRoamRig(t, rigConfig{server: server}, RoamerConfig{})
			r.listen.MigrationOptions.HoldOnTimeout = DefaultRoamHold
			conns := r.pairs(n, serverAddr)
			r.await(conns...)
			r.breakUplink(0)
			r.breakUplink(1)
			for i := range n {
				conns[2*i+1].Write([]byte("x"))
			}
			r.sleep(50 * time.Minute) // longer than TCP retransmits
			if st := r.server.MigrationStats(); st.Holds != bound || st.Counts[migrate.CountHoldRefused] != n-bound {
				t.Errorf("%d holds, %d refused", st.Holds, st.Counts[migrate.CountHoldRefused])
			}
			r.mend(0)
			r.until("resumed", time.Second, func() bool { return len(r.events.moves()) == bound })
			got := 0
			for i := range n {
				conns[2*i].SetReadDeadline(r.net.Clock.Now().Add(time.Second))
				if n, _ := conns[2*i].Read(make([]byte, 1)); n == 1 {
					got++
				}
			}
			if st := r.server.MigrationStats(); got != bound || st.Holds != 0 {
				t.Errorf("%d got their data, %d holds left", got, st.Holds)
			}
		})
	}
}

// serverRoams gives the server a second address, and a Roamer for connections that are
// accepted from now on.
func (r *roamRig) serverRoams() (*Roamer, *roamEvents) {
	r.tb.Helper()
	events := &roamEvents{now: r.net.Clock.Elapsed}
	roamer, err := NewRoamer(RoamerConfig{Stack: r.server, Observe: events.add})
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { roamer.Close() })
	r.listen.Roamer = roamer
	if err := r.eth.AddAddress(twoAddresses[1]); err != nil {
		r.tb.Fatal(err)
	}
	r.net.Core.Route(netip.PrefixFrom(server2, 32), r.net.Bottleneck)
	return roamer, events
}

// TestRoamAccepted has the server's address change, and the server's Roamer tell
// the client.
func TestRoamAccepted(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: Manual})
	_, events := r.serverRoams()
	c, s := r.open(serverAddr)
	done := bothWays(t, c, s, 1<<20)
	r.loseServer()
	r.until("moved", time.Second, func() bool { return len(events.moves()) == 1 })
	if ev := events.moves()[0]; ev.Cause != roam.PathGone || ev.To.Addr() != server2 {
		t.Errorf("%+v", ev)
	}
	done()
	// Silence is no reason: the client can come back by itself.
	_, s = r.open("10.9.0.2:80")
	r.net.Bottleneck.SetDown(true)
	s.Write([]byte("x"))
	r.sleep(time.Minute)
	if n := events.count(); n != 1 {
		t.Errorf("%d attempts towards a client that is silent", n-1)
	}
	r.net.Bottleneck.SetDown(false)
}

// TestRoamAcceptedStays: the client chose the address, so the server's preference does
// not count.
func TestRoamAcceptedStays(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	_, events := r.serverRoams()
	r.open("10.9.0.2:80")
	r.sleep(time.Hour)
	if n := events.count() + r.events.count(); n != 0 {
		t.Errorf("%d attempts", n)
	}
}

// TestRoamCrossing has both ends move at the same instant, from paths that work.
// One gives way.
func TestRoamCrossing(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	server, events := r.serverRoams()
	c, s := r.open(serverAddr)
	done := bothWays(t, c, s, 1<<20)
	r.roamer.Hint(c)
	server.Hint(s)
	r.moved(1, time.Second, roam.Hint)
	r.sleep(5 * time.Second)
	if n := events.count(); n != 1 || !errors.Is(events.all[0].Err, ErrYielded) {
		t.Errorf("%+v", events.all)
	}
	done()
}

// TestRoamClosed closes a connection at both ends. Until TIME-WAIT is over, the client
// neither asks a peer that is gone nor tries to move. No hold is spent on it: a
// connection in need would be refused one.
func TestRoamClosed(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, s := r.open(serverAddr)
	down := newStream(s, c, 1)
	down.send(t, 64<<10)
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	down.finish(t)
	s.Close()
	c.Close()
	r.sleep(500 * time.Millisecond) // the FINs have been acknowledged
	var packets atomic.Int64
	r.inner[0].set(func(*simnet.Packet, simnet.Hop) simnet.Verdict {
		packets.Add(1)
		return simnet.Pass
	})
	r.sleep(45 * time.Second)
	if n := packets.Load(); n > 0 {
		t.Errorf("%d packets after the end", n)
	}
	if n := r.events.count(); n > 0 {
		t.Errorf("%d attempts to move", n)
	}
	if n := r.client.MigrationStats().Holds; n > 0 {
		t.Errorf("%d holds", n)
	}
}

// TestRoamClosedMeanwhile closes a connection during a move. The written data needs
// that move.
func TestRoamClosedMeanwhile(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	up := newStream(c, s, 1)
	r.inner[0].set(dropSYNs)
	m.set(false, wwan)
	r.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	up.send(t, 64<<10)
	c.Close()
	r.inner[0].set(nil)
	if ev := r.attempted(1, 10*time.Second); ev.Err != nil {
		t.Errorf("%+v", ev)
	}
	up.check(t)
}

// TestRoamLingering closes a connection with data on its way, whose path then goes. The
// data arrives as if nobody had closed.
func TestRoamLingering(t *testing.T) {
	r, m := newMonitored(t, rigConfig{client: bigBuffers(), server: bigBuffers()}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	up := newStream(c, s, 1)
	old, _ := c.addrs()
	r.inner[0].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if s, ok := p.TCP(); ok && s.SourcePort() == old.Port() {
			return simnet.Drop
		}
		return simnet.Pass
	})
	up.send(t, 1<<20)
	c.Close()
	m.set(false, wwan)
	if ev := r.attempted(1, 10*time.Second); ev.Err != nil {
		t.Errorf("%+v", ev)
	}
	up.check(t)
	if err := c.Migrate(t.Context(), netip.AddrPortFrom(wlan.Local, 0)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the application's own move: %v", err)
	}
}

// TestMigrateEnds ends a connection during a move that somebody waits for.
func TestMigrateEnds(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: Manual})
	c, _ := r.open(serverAddr)
	r.inner[0].set(dropSYNs)
	done := make(chan error, 1)
	go func() { done <- c.Migrate(t.Context(), netip.AddrPortFrom(wwan.Local, 0)) }()
	r.until("begun", time.Second, func() bool { return c.Migration().Phase == migrate.SYNSent })
	if err := c.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
