// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// The addresses of a rig's client, and uplinks with them.
var (
	local1, local2 = netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.2.0.2")

	wlan = roam.Uplink{Local: local1, Via: roam.Route{Interface: "wlan0"}}
	wwan = roam.Uplink{Local: local1, Via: roam.Route{Interface: "wwan0"}}
	eth  = roam.Uplink{Local: local2, Via: roam.Route{Interface: "eth0"}}
)

// newMonitored returns a roamRig whose uplinks the test sets.
func newMonitored(t *testing.T, cfg rigConfig, rc RoamerConfig, ups ...roam.Uplink) (*roamRig, *fakeMonitor) {
	m := &fakeMonitor{}
	m.set(false, ups...)
	rc.Monitor = m
	return newRoamRig(t, cfg, rc), m
}

// attempted waits for the n-th attempt.
func (r *roamRig) attempted(n int, limit time.Duration) timedEvent {
	r.tb.Helper()
	r.until("attempted", limit, func() bool { return r.events.count() >= n })
	r.events.mu.Lock()
	defer r.events.mu.Unlock()
	return r.events.all[n-1]
}

// TestRoamReset resets the client's end, as a NAT does that has forgotten. The
// connection waits, and moves at once.
func TestRoamReset(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	mallory := r.mallory()
	c, s := r.open(serverAddr)
	local, _ := c.addrs()
	mallory.plays(resetOf(c))
	ev := r.moved(1, 200*time.Millisecond, roam.Held)
	if ev.To.Addr() != local.Addr() || ev.To == local {
		t.Errorf("from %v to %v, want another port", local, ev.To)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamUnreachable has a router say that the server cannot be reached, and the
// uplink be dead from then on: one time-out is enough.
func TestRoamUnreachable(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, s := r.open(serverAddr)
	restore := r.unreachable(addr(serverAddr).Addr(), r.net.Bottleneck)
	c.Write([]byte("x"))
	r.sleep(delay + time.Millisecond) // the packet has been refused
	restore()
	r.sleep(delay)
	r.net.Uplinks[0].SetDown(true)
	begin := r.net.Clock.Elapsed()
	if ev := r.attempted(1, 5*time.Second); ev.Cause != roam.Unreachable || ev.Uplink.Local != local1 || ev.at-ev.Took-begin > 500*time.Millisecond {
		t.Errorf("begun after %v: %+v", ev.at-ev.Took-begin, ev)
	}
	ev := r.moved(1, 2*limits.FirstTry, roam.Unreachable)
	if ev.Uplink.Local != local2 {
		t.Errorf("%+v", ev)
	}
	b := make([]byte, 1)
	s.SetReadDeadline(r.net.Clock.Now().Add(patience))
	if n, err := s.Read(b); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// TestRoamForgedUnreachable has an attacker who knows the connection, but not its
// sequence numbers, say the same (RFC 5927, section 4.1). It has no effect.
func TestRoamForgedUnreachable(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, _ := r.open(serverAddr)
	var forged atomic.Int64
	r.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if p.Protocol() == uint8(header.ICMPv4ProtocolNumber) {
			quoted := p.Bytes()[header.IPv4MinimumSize+header.ICMPv4MinimumSize+header.IPv4MinimumSize:]
			quoted[header.TCPSeqNumOffset] ^= 1
			p.FixChecksums()
			forged.Add(1)
		}
		return simnet.Pass
	})
	restore := r.unreachable(addr(serverAddr).Addr(), r.net.Bottleneck)
	c.Write([]byte("x"))
	r.sleep(delay + time.Millisecond)
	restore()
	r.sleep(delay)
	r.net.Uplinks[0].SetDown(true)
	if ev := r.attempted(1, 5*time.Second); ev.Cause == roam.Unreachable || forged.Load() == 0 {
		t.Errorf("%d forged: %+v", forged.Load(), ev)
	}
}

// TestRoamHint has the application say that the path is bad.
func TestRoamHint(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, s := r.open(serverAddr)
	r.roamer.Hint(c)
	if ev := r.moved(1, time.Second, roam.Hint); ev.Uplink.Local != local2 {
		t.Errorf("%+v", ev)
	}
	r.roamer.Hint(s) // not managed: ignored
	bothWays(t, c, s, 64<<10)()
}

// TestRoamUplinkVanishes takes the uplink away that an attempt uses. It is given
// up, and the next one is tried.
func TestRoamUplinkVanishes(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	r.inner[0].set(dropSYNs)
	m.set(false, wwan)
	r.sleep(100 * time.Millisecond)
	begin := r.net.Clock.Elapsed()
	m.set(false, eth)
	if ev := r.attempted(1, time.Second); !errors.Is(ev.Err, errUplinkGone) || ev.Uplink != wwan {
		t.Errorf("%+v", ev)
	}
	if ev := r.moved(1, time.Second, roam.PathGone); ev.Uplink != eth || r.net.Clock.Elapsed()-begin > 100*time.Millisecond {
		t.Errorf("after %v: %+v", r.net.Clock.Elapsed()-begin, ev)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamUplinkAppears has another uplink appear while attempts over the only one
// fail, with all the time that they may need.
func TestRoamUplinkAppears(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	r.inner[0].set(dropSYNs)
	m.set(false, wwan)
	r.sleep(100 * time.Millisecond)
	begin := r.net.Clock.Elapsed()
	m.set(false, wwan, eth)
	// The one that failed is tried once more: it was alone then.
	ev := r.moved(1, 10*time.Second, roam.PathGone)
	if took := r.net.Clock.Elapsed() - begin; ev.Uplink != eth || took > 3*limits.FirstTry {
		t.Errorf("after %v: %+v", took, ev)
	}
	if ev := r.attempted(1, 0); !errors.Is(ev.Err, errOtherUplink) {
		t.Errorf("%+v", ev)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamDeadPreferred has a better uplink appear that is dead. The connection
// goes on where it is, and tries the other ever more seldom.
func TestRoamDeadPreferred(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	r.net.Uplinks[1].SetDown(true)
	m.set(false, eth, wlan)
	done := bothWays(t, c, s, 1<<20)
	r.sleep(time.Hour)
	done()
	if n, limit := r.events.count(), int(time.Hour/limits.MaxPenalty)+6; n < 6 || n > limit || len(r.events.moves()) > 0 {
		t.Errorf("%d attempts in an hour, at most %d wanted", n, limit)
	}
}

// TestRoamBlackHole moves to a better uplink that lets small packets through and
// no others, as behind a tunnel that says nothing of its MTU. The connection
// leaves it again.
func TestRoamBlackHole(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	r.inner[1].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if p.Len() > 1000 {
			return simnet.Drop
		}
		return simnet.Pass
	})
	m.set(false, eth, wlan)
	r.moved(1, time.Minute, roam.Preferred)
	done := bothWays(t, c, s, 1<<20)
	r.until("back", 10*time.Second, func() bool { return localOf(c) == local1 })
	done()
}

func localOf(c *Conn) netip.Addr {
	local, _ := c.addrs()
	return local.Addr()
}

// TestRoamFlapping takes a better uplink away and brings it back, again and again,
// while data flows. No byte is lost, and the cap holds.
func TestRoamFlapping(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: Interactive})
	c, s := r.open(serverAddr)
	up, down := newStream(c, s, 1), newStream(s, c, 2)
	for range 30 {
		r.breakUplink(0)
		up.send(t, 20_000)
		down.send(t, 20_000)
		r.sleep(700 * time.Millisecond)
		r.mend(0)
		up.send(t, 20_000)
		down.send(t, 20_000)
		r.sleep(1300 * time.Millisecond)
	}
	up.finish(t)
	down.finish(t)
	moves := r.events.moves()
	movesAreFew(t, moves)
	if len(moves) < 2 {
		t.Errorf("%d moves", len(moves))
	}
}

// movesAreFew checks that no minute has more moves than the limit for paths that are
// gone all the time.
func movesAreFew(t *testing.T, moves []timedEvent) {
	t.Helper()
	const most = limits.MaxMovesPerMinute + 5
	for i := most; i < len(moves); i++ {
		if took := moves[i].at - moves[i-most].at; took < time.Minute {
			t.Errorf("%d moves in %v", most+1, took)
		}
	}
}

// TestRoamCap has the only uplink change faster than a connection may move. It
// moves, but not each time, and goes on when the changes have ended.
func TestRoamCap(t *testing.T) {
	r, m := newMonitored(t, rigConfig{}, RoamerConfig{}, wlan)
	c, s := r.open(serverAddr)
	up := newStream(c, s, 1)
	for i := range 2 * limits.MaxMovesPerMinute {
		m.set(false, []roam.Uplink{wwan, wlan}[i%2])
		up.send(t, 1000)
		r.sleep(time.Second)
	}
	moves := r.events.moves()
	if n := len(moves); n <= limits.MaxMovesPerMinute {
		t.Errorf("%d moves", n)
	}
	movesAreFew(t, moves)
	r.moved(len(moves)+1, 16*time.Second, roam.PathGone)
	up.finish(t)
}
