// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// roamLab is a lab whose client roams.
type roamLab struct {
	*lab
	roamer *Roamer
	events roamEvents
}

// roamEvents collects what a Roamer tells.
type roamEvents struct {
	now func() time.Duration

	mu  sync.Mutex
	all []timedEvent
}

// timedEvent is an event and when it was told of.
type timedEvent struct {
	RoamEvent
	at time.Duration
}

func (e *roamEvents) add(ev RoamEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, timedEvent{ev, e.now()})
}

// moves returns the attempts that succeeded.
func (e *roamEvents) moves() (moves []timedEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Err == nil {
			moves = append(moves, ev)
		}
	}
	return moves
}

func (e *roamEvents) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all)
}

func newRoamLab(tb testing.TB, cfg labConfig, rc RoamerConfig) *roamLab {
	tb.Helper()
	l := &roamLab{lab: newLab(tb, cfg)}
	l.events.now = l.net.Clock.Elapsed
	rc.Stack, rc.Observe = l.client, l.events.add
	r, err := NewRoamer(rc)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Close() })
	l.roamer, l.dialer.Roamer = r, r
	return l
}

// until lets time pass until cond is true, or fails the test.
func (l *roamLab) until(what string, limit time.Duration, cond func() bool) {
	l.tb.Helper()
	const step = 10 * time.Millisecond
	for waited := time.Duration(0); !cond(); waited += step {
		if waited > limit {
			l.tb.Fatalf("not %s after %v; %+v", what, limit, l.events.all)
		}
		l.sleep(step)
	}
}

// mend brings an uplink back, with its IPv4 address.
func (l *roamLab) mend(i int) {
	l.tb.Helper()
	l.net.Uplinks[i].SetDown(false)
	if err := l.up[i].AddAddress(l.net.Client.Interfaces()[i].Prefixes()[0]); err != nil {
		l.tb.Fatal(err)
	}
}

// moved waits for the n-th move and checks its cause.
func (l *roamLab) moved(n int, limit time.Duration, cause roam.Cause) timedEvent {
	l.tb.Helper()
	l.until("moved", limit, func() bool { return len(l.events.moves()) >= n })
	ev := l.events.moves()[n-1]
	if ev.Cause != cause {
		l.tb.Errorf("move %d because of %v, want %v", n, ev.Cause, cause)
	}
	return ev
}

// TestRoamAddressGone takes the address away that a connection uses.
func TestRoamAddressGone(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, s := l.open(serverAddr)
	done := bothWays(t, c, s, 1<<20)
	l.sleep(100 * time.Millisecond)
	l.breakUplink(0)
	ev := l.moved(1, time.Second, roam.PathGone)
	if ev.To.Addr() != addr("10.2.0.2").Addr() || ev.Took > 3*2*delay {
		t.Errorf("%+v", ev)
	}
	done()
}

// TestRoamHold takes all addresses away, for long.
func TestRoamHold(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	l.listen.MigrationOptions.HoldOnTimeout = DefaultRoamHold
	c, s := l.open(serverAddr)
	l.breakUplink(0)
	l.moved(1, time.Second, roam.PathGone)
	s.Write([]byte("one"))
	l.breakUplink(1)
	c.Write([]byte("two"))
	l.until("held", time.Second, func() bool { return c.Migration().Holding })
	l.sleep(50 * time.Minute) // longer than the server's TCP has patience
	if n := len(l.events.moves()); n != 1 {
		t.Fatalf("%d moves without an address", n)
	}
	back := l.net.Clock.Elapsed()
	l.mend(0)
	l.moved(2, time.Second, roam.PathGone)
	if took := l.net.Clock.Elapsed() - back; took > 200*time.Millisecond {
		t.Errorf("resumed after %v", took)
	}
	for src, want := range map[*Conn]string{c: "one", s: "two"} {
		b := make([]byte, len(want))
		src.SetReadDeadline(l.net.Clock.Now().Add(patience))
		if _, err := io.ReadFull(src, b); err != nil || string(b) != want {
			t.Errorf("read %q, %v, want %q", b, err, want)
		}
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamHoldExpires lets the hold run out.
func TestRoamHoldExpires(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, _ := l.open(serverAddr)
	l.breakUplink(0)
	l.breakUplink(1)
	begin := l.net.Clock.Elapsed()
	c.SetReadDeadline(l.net.Clock.Now().Add(2 * DefaultRoamHold))
	_, err := c.Read(make([]byte, 1))
	if took := l.net.Clock.Elapsed() - begin; took < DefaultRoamHold || took > DefaultRoamHold+time.Minute {
		t.Errorf("%v after %v", err, took)
	}
}

// TestRoamPathDead makes an uplink swallow everything without a word.
func TestRoamPathDead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy roam.Policy
		limit  time.Duration
	}{
		{"handover", Handover, 5 * time.Second},
		{"interactive", Interactive, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newRoamLab(t, labConfig{}, RoamerConfig{Policy: tt.policy})
			c, s := l.open(serverAddr)
			done := bothWays(t, c, s, 1<<20)
			l.sleep(100 * time.Millisecond)
			l.net.Uplinks[0].SetDown(true)
			ev := l.moved(1, tt.limit, roam.PathDead)
			if ev.To.Addr() != addr("10.2.0.2").Addr() {
				t.Errorf("%+v", ev)
			}
			done()
			if n := len(l.events.moves()); n != 1 {
				t.Errorf("%d moves, want 1", n)
			}
		})
	}
}

// TestRoamNATForgets has a NAT lose the mapping of a connection whose client has
// nothing to send: keep-alive probes find out.
func TestRoamNATForgets(t *testing.T) {
	l := newRoamLab(t, labConfig{nat: &strictNAT}, RoamerConfig{})
	c, s := l.open(serverAddr)
	before := c.LocalAddr().String()
	l.nats[0].Flush()
	l.moved(1, time.Minute, roam.PathDead)
	if after := c.LocalAddr().String(); after == before {
		t.Errorf("still at %s", after)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamBack returns to the better uplink, once it has proved stable.
func TestRoamBack(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{})
	c, s := l.open(serverAddr)
	l.breakUplink(0)
	l.moved(1, time.Second, roam.PathGone)
	back := l.net.Clock.Elapsed()
	l.mend(0)
	ev := l.moved(2, time.Minute, roam.Preferred)
	if took := l.net.Clock.Elapsed() - back; took < roam.HandoverSettle || ev.To.Addr() != addr("10.1.0.2").Addr() {
		t.Errorf("to %v after %v", ev.To, took)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamManual stays.
func TestRoamManual(t *testing.T) {
	l := newRoamLab(t, labConfig{}, RoamerConfig{Policy: Manual})
	c, _ := l.open(serverAddr)
	l.breakUplink(0)
	l.sleep(time.Minute)
	if n := l.events.count(); n != 0 || c.Migration().Initiated != 0 {
		t.Errorf("%d attempts", n)
	}
	l.migrate(c, "10.2.0.2")
	l.breakUplink(1)
	l.sleep(time.Second)
	if c.Migration().Holding {
		t.Error("held without having been asked")
	}
}

// TestRoamInPlace changes what lies behind an address that stays, as behind the
// host's own masquerade.
func TestRoamInPlace(t *testing.T) {
	m := &fakeMonitor{}
	m.set(false, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: "wlan0"})
	l := newRoamLab(t, labConfig{}, RoamerConfig{Monitor: m})
	c, s := l.open(serverAddr)
	before := c.LocalAddr().String()
	m.set(false, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: "wwan0"})
	ev := l.moved(1, time.Second, roam.PathGone)
	if ev.To.Addr() != ev.From.Addr() || c.LocalAddr().String() == before {
		t.Errorf("%+v", ev)
	}
	m.set(true, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: "wwan0"})
	l.moved(2, time.Second, roam.Woke)
	done := bothWays(t, c, s, 1<<20)
	m.set(false)
	l.until("held", time.Second, func() bool { return c.Migration().Holding })
	m.set(false, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: "wwan0"})
	l.moved(3, time.Second, roam.PathGone)
	done()
}

// fakeMonitor says what a test wants.
type fakeMonitor struct {
	mu   sync.Mutex
	last roam.Change
	f    func(roam.Change)
}

func (m *fakeMonitor) Watch(f func(roam.Change)) (func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.f = f
	f(m.last)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.f = nil
	}, nil
}

func (m *fakeMonitor) set(woke bool, ups ...roam.Uplink) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = roam.Change{Uplinks: slices.Clone(ups), Woke: woke}
	if m.f != nil {
		m.f(m.last)
	}
}
