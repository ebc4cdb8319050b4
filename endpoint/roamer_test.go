// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
	"github.com/mnet-dev/mnet/endpoint/roam"
)

// roamRig is a rig whose client roams.
type roamRig struct {
	*rig
	roamer *Roamer
	events roamEvents
}

// roamEvents collects the events of a Roamer.
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

func newRoamRig(tb testing.TB, cfg rigConfig, rc RoamerConfig) *roamRig {
	tb.Helper()
	r := &roamRig{rig: newRig(tb, cfg)}
	r.events.now = r.net.Clock.Elapsed
	rc.Stack, rc.Observe = r.client, r.events.add
	roamer, err := NewRoamer(rc)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { roamer.Close() })
	r.roamer, r.dialer.Roamer = roamer, roamer
	return r
}

// until lets time pass until cond is true, or fails the test.
func (r *roamRig) until(what string, limit time.Duration, cond func() bool) {
	r.tb.Helper()
	const step = 10 * time.Millisecond
	for waited := time.Duration(0); !cond(); waited += step {
		if waited > limit {
			r.tb.Fatalf("not %s after %v; %+v", what, limit, r.events.all)
		}
		r.sleep(step)
	}
}

// mend brings an uplink back, with its IPv4 address.
func (r *roamRig) mend(i int) {
	r.tb.Helper()
	r.net.Uplinks[i].SetDown(false)
	if err := r.up[i].AddAddress(r.net.Client.Interfaces()[i].Prefixes()[0]); err != nil {
		r.tb.Fatal(err)
	}
}

// moved waits for the n-th move and checks its cause.
func (r *roamRig) moved(n int, limit time.Duration, cause roam.Cause) timedEvent {
	r.tb.Helper()
	r.until("moved", limit, func() bool { return len(r.events.moves()) >= n })
	ev := r.events.moves()[n-1]
	if ev.Cause != cause {
		r.tb.Errorf("move %d because of %v, want %v", n, ev.Cause, cause)
	}
	return ev
}

// TestRoamAddressGone takes the address away that a connection uses.
func TestRoamAddressGone(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, s := r.open(serverAddr)
	done := bothWays(t, c, s, 1<<20)
	r.sleep(100 * time.Millisecond)
	r.breakUplink(0)
	ev := r.moved(1, time.Second, roam.PathGone)
	if ev.To.Addr() != addr("10.2.0.2").Addr() || ev.Took > 3*2*delay {
		t.Errorf("%+v", ev)
	}
	done()
}

// TestRoamHold takes all addresses away, for long.
func TestRoamHold(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	r.listen.MigrationOptions.HoldOnTimeout = DefaultRoamHold
	c, s := r.open(serverAddr)
	r.breakUplink(0)
	r.moved(1, time.Second, roam.PathGone)
	s.Write([]byte("one"))
	r.breakUplink(1)
	c.Write([]byte("two"))
	r.until("held", time.Second, func() bool { return c.Migration().Holding })
	r.sleep(50 * time.Minute) // longer than the server's TCP retransmits
	if n := len(r.events.moves()); n != 1 {
		t.Fatalf("%d moves without an address", n)
	}
	back := r.net.Clock.Elapsed()
	r.mend(0)
	r.moved(2, time.Second, roam.PathGone)
	if took := r.net.Clock.Elapsed() - back; took > 200*time.Millisecond {
		t.Errorf("resumed after %v", took)
	}
	for src, want := range map[*Conn]string{c: "one", s: "two"} {
		b := make([]byte, len(want))
		src.SetReadDeadline(r.net.Clock.Now().Add(patience))
		if _, err := io.ReadFull(src, b); err != nil || string(b) != want {
			t.Errorf("read %q, %v, want %q", b, err, want)
		}
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamHoldExpires lets the hold run out.
func TestRoamHoldExpires(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, _ := r.open(serverAddr)
	r.breakUplink(0)
	r.breakUplink(1)
	begin := r.net.Clock.Elapsed()
	c.SetReadDeadline(r.net.Clock.Now().Add(2 * DefaultRoamHold))
	_, err := c.Read(make([]byte, 1))
	if took := r.net.Clock.Elapsed() - begin; took < DefaultRoamHold || took > DefaultRoamHold+time.Minute {
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
			r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: tt.policy})
			c, s := r.open(serverAddr)
			done := bothWays(t, c, s, 1<<20)
			r.sleep(100 * time.Millisecond)
			r.net.Uplinks[0].SetDown(true)
			ev := r.moved(1, tt.limit, roam.PathDead)
			if ev.To.Addr() != addr("10.2.0.2").Addr() {
				t.Errorf("%+v", ev)
			}
			done()
			if n := len(r.events.moves()); n != 1 {
				t.Errorf("%d moves, want 1", n)
			}
		})
	}
}

// TestRoamNATForgets has a NAT lose the mapping of a connection whose client has
// nothing to send: keep-alive probes find out.
func TestRoamNATForgets(t *testing.T) {
	r := newRoamRig(t, rigConfig{nat: &strictNAT}, RoamerConfig{})
	c, s := r.open(serverAddr)
	before := c.LocalAddr().String()
	r.net.NATs[0].Flush()
	r.moved(1, time.Minute, roam.PathDead)
	if after := c.LocalAddr().String(); after == before {
		t.Errorf("still at %s", after)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamBack returns to the better uplink, once it has proved stable.
func TestRoamBack(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{})
	c, s := r.open(serverAddr)
	r.breakUplink(0)
	r.moved(1, time.Second, roam.PathGone)
	back := r.net.Clock.Elapsed()
	r.mend(0)
	ev := r.moved(2, time.Minute, roam.Preferred)
	if took := r.net.Clock.Elapsed() - back; took < limits.HandoverSettle || ev.To.Addr() != addr("10.1.0.2").Addr() {
		t.Errorf("to %v after %v", ev.To, took)
	}
	bothWays(t, c, s, 64<<10)()
}

// TestRoamManual stays.
func TestRoamManual(t *testing.T) {
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Policy: Manual})
	c, _ := r.open(serverAddr)
	r.breakUplink(0)
	r.sleep(time.Minute)
	if n := r.events.count(); n != 0 || c.Migration().Initiated != 0 {
		t.Errorf("%d attempts", n)
	}
	r.migrate(c, "10.2.0.2")
	r.breakUplink(1)
	r.sleep(time.Second)
	if c.Migration().Holding {
		t.Error("held without having been asked")
	}
}

// TestRoamInPlace changes the route behind an address that stays, as behind the host's
// own masquerade.
func TestRoamInPlace(t *testing.T) {
	m := &fakeMonitor{}
	m.set(false, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: roam.Route{Interface: "wlan0"}})
	r := newRoamRig(t, rigConfig{}, RoamerConfig{Monitor: m})
	c, s := r.open(serverAddr)
	before := c.LocalAddr().String()
	m.set(false, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: roam.Route{Interface: "wwan0"}})
	ev := r.moved(1, time.Second, roam.PathGone)
	if ev.To.Addr() != ev.From.Addr() || c.LocalAddr().String() == before {
		t.Errorf("%+v", ev)
	}
	m.set(true, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: roam.Route{Interface: "wwan0"}})
	r.moved(2, time.Second, roam.Woke)
	done := bothWays(t, c, s, 1<<20)
	m.set(false)
	r.until("held", time.Second, func() bool { return c.Migration().Holding })
	m.set(false, roam.Uplink{Local: addr("10.1.0.2").Addr(), Via: roam.Route{Interface: "wwan0"}})
	r.moved(3, time.Second, roam.PathGone)
	done()
}

// fakeMonitor reports the changes that a test sets.
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
