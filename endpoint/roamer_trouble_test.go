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

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// The addresses of a lab's client, and uplinks with them.
var (
	local1, local2 = netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.2.0.2")

	wlan = roam.Uplink{Local: local1, Via: "wlan0"}
	wwan = roam.Uplink{Local: local1, Via: "wwan0"}
	eth  = roam.Uplink{Local: local2, Via: "eth0"}
)

// newMonitored returns a roamLab that a test tells what uplinks there are.
func newMonitored(t *testing.T, cfg labConfig, rc RoamerConfig, ups ...roam.Uplink) (*roamLab, *fakeMonitor) {
	m := &fakeMonitor{}
	m.set(false, ups...)
	rc.Monitor = m
	return newRoamLab(t, cfg, rc), m
}

// attempted waits for the n-th attempt.
func (l *roamLab) attempted(n int, limit time.Duration) timedEvent {
	l.tb.Helper()
	l.until("attempted", limit, func() bool { return l.events.count() >= n })
	l.events.mu.Lock()
	defer l.events.mu.Unlock()
	return l.events.all[n-1]
}

// dropSYNs lets an attempt to move over a path wait for its end.
func dropSYNs(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
	if t, ok := p.TCP(); ok && t.Flags()&header.TCPFlagSyn != 0 {
		return simnet.Drop
	}
	return simnet.Pass
}

// TestRoamReset resets the client's end, as a NAT does that has forgotten. The
// connection waits, and moves at once.
func TestRoamReset(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	mallory := l.mallory()
	c, s := l.open(serverAddr)
	local, remote := c.addrs()
	mallory.send(rawSegment{src: remote, dst: local, seq: sequenceOf(c).rcv, ack: sequenceOf(c).nxt, flags: fRST | fACK})
	ev := l.moved(1, 200*time.Millisecond, roam.Held)
	if ev.To.Addr() != local.Addr() || ev.To == local {
		t.Errorf("from %v to %v, want another port", local, ev.To)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamUnreachable has a router say that the server cannot be reached, and the
// uplink be dead from then on: one time-out is enough.
func TestRoamUnreachable(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, s := l.open(serverAddr)
	restore := l.unreachable(addr(serverAddr).Addr(), l.net.Bottleneck)
	c.Write([]byte("x"))
	l.sleep(delay + time.Millisecond) // the packet has been refused
	restore()
	l.sleep(delay)
	l.net.Uplinks[0].SetDown(true)
	begin := l.net.Clock.Elapsed()
	if ev := l.attempted(1, 5*time.Second); ev.Cause != roam.Unreachable || ev.Uplink.Local != local1 || ev.at-ev.Took-begin > 500*time.Millisecond {
		t.Errorf("begun after %v: %+v", ev.at-ev.Took-begin, ev)
	}
	ev := l.moved(1, 2*roam.FirstTry, roam.Unreachable)
	if ev.Uplink.Local != local2 {
		t.Errorf("%+v", ev)
	}
	b := make([]byte, 1)
	s.SetReadDeadline(l.net.Clock.Now().Add(patience))
	if n, err := s.Read(b); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

// TestRoamForgedUnreachable has somebody who knows the connection, but not its sequence
// numbers, say the same (RFC 5927, section 4.1). Nothing comes of that.
func TestRoamForgedUnreachable(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, _ := l.open(serverAddr)
	var forged atomic.Int64
	l.inner[0].set(func(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
		if p.Protocol() == uint8(header.ICMPv4ProtocolNumber) {
			quoted := p.Bytes()[header.IPv4MinimumSize+header.ICMPv4MinimumSize+header.IPv4MinimumSize:]
			quoted[header.TCPSeqNumOffset] ^= 1
			p.FixChecksums()
			forged.Add(1)
		}
		return simnet.Pass
	})
	restore := l.unreachable(addr(serverAddr).Addr(), l.net.Bottleneck)
	c.Write([]byte("x"))
	l.sleep(delay + time.Millisecond)
	restore()
	l.sleep(delay)
	l.net.Uplinks[0].SetDown(true)
	if ev := l.attempted(1, 5*time.Second); ev.Cause == roam.Unreachable || forged.Load() == 0 {
		t.Errorf("%d forged: %+v", forged.Load(), ev)
	}
}

// TestRoamHint has the application say that the path is bad.
func TestRoamHint(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, s := l.open(serverAddr)
	l.roamer.Hint(c)
	if ev := l.moved(1, time.Second, roam.Hint); ev.Uplink.Local != local2 {
		t.Errorf("%+v", ev)
	}
	l.roamer.Hint(s) // not managed: ignored
	bothWays(t, c, s, 64<<10)()
}

// TestRoamUplinkVanishes takes the uplink away that an attempt uses. It is given
// up, and the next one is tried.
func TestRoamUplinkVanishes(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	l.inner[0].set(dropSYNs)
	m.set(false, wwan)
	l.sleep(100 * time.Millisecond)
	begin := l.net.Clock.Elapsed()
	m.set(false, eth)
	if ev := l.attempted(1, time.Second); !errors.Is(ev.Err, errUplinkGone) || ev.Uplink != wwan {
		t.Errorf("%+v", ev)
	}
	if ev := l.moved(1, time.Second, roam.PathGone); ev.Uplink != eth || l.net.Clock.Elapsed()-begin > 100*time.Millisecond {
		t.Errorf("after %v: %+v", l.net.Clock.Elapsed()-begin, ev)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamUplinkAppears has another uplink appear while the only one is tried in
// vain, with all the time that it may need.
func TestRoamUplinkAppears(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	l.inner[0].set(dropSYNs)
	m.set(false, wwan)
	l.sleep(100 * time.Millisecond)
	begin := l.net.Clock.Elapsed()
	m.set(false, wwan, eth)
	// The one that failed is tried once more: it was alone then.
	ev := l.moved(1, 10*time.Second, roam.PathGone)
	if took := l.net.Clock.Elapsed() - begin; ev.Uplink != eth || took > 3*roam.FirstTry {
		t.Errorf("after %v: %+v", took, ev)
	}
	if ev := l.attempted(1, 0); !errors.Is(ev.Err, errOtherUplink) {
		t.Errorf("%+v", ev)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamDeadPreferred has a better uplink appear that is dead. The connection
// goes on where it is, and tries the other ever more seldom.
func TestRoamDeadPreferred(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	l.net.Uplinks[1].SetDown(true)
	m.set(false, eth, wlan)
	done := bothWays(t, c, s, 1<<20)
	l.sleep(time.Hour)
	done()
	if n, limit := l.events.count(), int(time.Hour/roam.MaxPenalty)+6; n < 6 || n > limit || len(l.events.moves()) > 0 {
		t.Errorf("%d attempts in an hour, at most %d wanted", n, limit)
	}
}

// TestRoamBlackHole moves to a better uplink that lets small packets through and
// no others, as behind a tunnel that says nothing of its MTU. The connection
// leaves it again.
func TestRoamBlackHole(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	l.inner[1].set(func(p *simnet.Packet, _ simnet.Hop) simnet.Verdict {
		if p.Len() > 1000 {
			return simnet.Drop
		}
		return simnet.Pass
	})
	m.set(false, eth, wlan)
	l.moved(1, time.Minute, roam.Preferred)
	done := bothWays(t, c, s, 1<<20)
	l.until("back", 10*time.Second, func() bool { return localOf(c) == local1 })
	done()
}

func localOf(c *Conn) netip.Addr {
	local, _ := c.addrs()
	return local.Addr()
}

// TestRoamFlapping takes a better uplink away and brings it back, again and again,
// while data flows. No byte is lost, and the cap holds.
func TestRoamFlapping(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{Policy: Interactive})
	c, s := l.open(serverAddr)
	up, down := newStream(c, s, 1), newStream(s, c, 2)
	for range 30 {
		l.breakUplink(0)
		up.send(t, 20_000)
		down.send(t, 20_000)
		l.sleep(700 * time.Millisecond)
		l.mend(0)
		up.send(t, 20_000)
		down.send(t, 20_000)
		l.sleep(1300 * time.Millisecond)
	}
	up.finish(t)
	down.finish(t)
	moves := l.events.moves()
	movesAreFew(t, moves)
	if len(moves) < 2 {
		t.Errorf("%d moves", len(moves))
	}
}

// movesAreFew checks that there are no more moves in any minute than there may be
// where paths are gone all the time.
func movesAreFew(t *testing.T, moves []timedEvent) {
	t.Helper()
	const most = roam.MaxMovesPerMinute + 5
	for i := most; i < len(moves); i++ {
		if took := moves[i].at - moves[i-most].at; took < time.Minute {
			t.Errorf("%d moves in %v", most+1, took)
		}
	}
}

// TestRoamCap has the only uplink change faster than a connection may move. It
// moves, but not each time, and goes on when the changes have ended.
func TestRoamCap(t *testing.T) {
	l, m := newMonitored(t, labConfig{}, RoamerConfig{}, wlan)
	c, s := l.open(serverAddr)
	up := newStream(c, s, 1)
	for i := range 2 * roam.MaxMovesPerMinute {
		m.set(false, []roam.Uplink{wwan, wlan}[i%2])
		up.send(t, 1000)
		l.sleep(time.Second)
	}
	moves := l.events.moves()
	if n := len(moves); n <= roam.MaxMovesPerMinute {
		t.Errorf("%d moves", n)
	}
	movesAreFew(t, moves)
	l.moved(len(moves)+1, 16*time.Second, roam.PathGone)
	up.finish(t)
}
