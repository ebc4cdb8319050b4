// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// uplinkN returns an IPv4 uplink.
func uplinkN(i int) Uplink {
	return Uplink{Local: netip.AddrFrom4([4]byte{10, byte(i + 1), 0, 2}), Via: Route{Interface: fmt.Sprint("eth", i)}}
}

var (
	a, b, c = uplinkN(0), uplinkN(1), uplinkN(2)
	six     = Uplink{Local: netip.MustParseAddr("fd00::2"), Via: Route{Interface: "eth0"}}
)

// script plays a story with one machine.
type script struct {
	*Machine
	t   *testing.T
	now time.Time
}

// play begins with a connection that can migrate, from a.
func play(t *testing.T, cfg Config, ups ...Uplink) *script {
	if cfg.Policy == nil {
		cfg.Policy = Handover
	}
	if !cfg.Local.IsValid() {
		cfg.Local = a.Local
	}
	s := &script{Machine: NewMachine(cfg), t: t, now: time.Unix(1e9, 0)}
	s.uplinksAre(ups...)
	s.Settled(true)
	return s
}

func (s *script) uplinksAre(ups ...Uplink) { s.SetUplinks(s.now, ups, false) }

func (s *script) pass(d time.Duration) { s.now = s.now.Add(d) }

// dead has the peer not answer for n time-outs.
func (s *script) dead(n int) { s.Heard(s.now.Add(-time.Second), n) }

// ordered checks that a move is ordered now, and begins it.
func (s *script) ordered(cause Cause, to Uplink) Order {
	s.t.Helper()
	o, again := s.Decide(s.now)
	if o.Cause != cause || o.Uplink != to || o.Hold || !again.IsZero() {
		s.t.Fatalf("order %+v, again %v; want %v to %v", o, again, cause, to)
	}
	s.Begin(o)
	if o, again := s.Decide(s.now); o != (Order{}) || !again.IsZero() {
		s.t.Fatalf("%+v while an order is carried out, again %v", o, again)
	}
	return o
}

// moves is ordered, and that succeeds.
func (s *script) moves(cause Cause, to Uplink) {
	s.t.Helper()
	s.ordered(cause, to)
	s.Succeeded(s.now)
}

// fails is ordered, and that fails.
func (s *script) fails(cause Cause, to Uplink) Order {
	s.t.Helper()
	o := s.ordered(cause, to)
	s.Failed(s.now)
	return o
}

// rests checks that nothing is ordered now, and that the machine wants to be asked
// again after d, or never if that is 0. It lets d pass.
func (s *script) rests(d time.Duration) {
	s.t.Helper()
	o, again := s.Decide(s.now)
	if o != (Order{}) {
		s.t.Fatalf("%+v", o)
	}
	var want time.Time
	if d > 0 {
		want = s.now.Add(d)
	}
	if !again.Equal(want) {
		s.t.Fatalf("asks again after %v, want %v", again.Sub(s.now), d)
	}
	s.pass(d)
}

func TestMachineBeforeItIsReady(t *testing.T) {
	m := NewMachine(Config{Policy: Handover, Local: a.Local})
	now := time.Unix(1e9, 0)
	m.Settled(true)
	if o, again := m.Decide(now); o != (Order{}) || !again.IsZero() {
		t.Errorf("without having been told of uplinks: %+v", o)
	}
	m = NewMachine(Config{Policy: Handover, Local: a.Local})
	m.SetUplinks(now, []Uplink{b}, false)
	if o, _ := m.Decide(now); o != (Order{}) {
		t.Errorf("before the negotiation has ended: %+v", o)
	}
	m.Settled(false)
	if o, _ := m.Decide(now); o != (Order{}) || !m.Done() {
		t.Errorf("plain TCP: %+v, done %v", o, m.Done())
	}
}

func TestMachineGone(t *testing.T) {
	s := play(t, Config{}, a, b)
	s.rests(0)
	s.uplinksAre(b)
	if o := s.ordered(PathGone, b); !o.Leave || o.Resolve || o.Timeout != 0 {
		t.Errorf("%+v", o)
	}
	s.Succeeded(s.now)
	s.rests(0)
	s.Closed()
	s.uplinksAre(c)
	s.rests(0)
}

// TestMachineVia: the address stays, and the route behind it changes.
func TestMachineVia(t *testing.T) {
	other := a
	other.Via.Interface = "wwan0"
	s := play(t, Config{}, a)
	s.uplinksAre(other)
	if o := s.ordered(PathGone, other); !o.Leave {
		t.Errorf("%+v", o)
	}
	s.Succeeded(s.now)
	s.rests(0)
	// Now another address of the same uplink.
	s.uplinksAre(other, b)
	s.rests(0)
}

func TestMachineHolds(t *testing.T) {
	s := play(t, Config{}, a)
	s.uplinksAre()
	if o, _ := s.Decide(s.now); o != (Order{Hold: true}) {
		t.Fatalf("%+v", o)
	}
	s.SetHeld(true)
	s.rests(0)
	s.pass(time.Hour)
	s.uplinksAre(b)
	s.moves(PathGone, b)
	s.rests(0)
	s.uplinksAre()
	if o, _ := s.Decide(s.now); !o.Hold {
		t.Errorf("a second time: %+v", o)
	}
}

// TestMachineManual: an application that moves its connections itself has them go on as
// they are.
func TestMachineManual(t *testing.T) {
	s := play(t, Config{Policy: Manual}, a)
	s.uplinksAre()
	s.rests(0)
	s.uplinksAre(b)
	s.rests(0)
}

// TestMachineRounds tries all uplinks at once, then pauses, longer each time, and
// gives each attempt more time.
func TestMachineRounds(t *testing.T) {
	s := play(t, Config{}, a, b, c)
	s.uplinksAre(b, c)
	pause, try := limits.FirstBackoff, limits.FirstTry
	for range 10 {
		for i, u := range []Uplink{b, c} {
			o := s.fails(PathGone, u)
			if o.Timeout != try || o.Resolve != (i > 0 || pause > limits.FirstBackoff) {
				t.Errorf("%+v, want a timeout of %v", o, try)
			}
		}
		s.rests(pause)
		pause, try = min(2*pause, limits.MaxBackoff), min(2*try, limits.MaxTry)
	}
	if pause != limits.MaxBackoff || try != limits.MaxTry {
		t.Errorf("limits not reached: %v, %v", pause, try)
	}
	// News end the pause.
	s.fails(PathGone, b)
	s.fails(PathGone, c)
	s.uplinksAre(b, a, c)
	s.ordered(PathGone, b)
}

// TestMachineTimeout: an attempt is bounded where there is something else to try.
func TestMachineTimeout(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		ups  []Uplink
		want time.Duration
	}{
		{"one uplink", Config{}, []Uplink{b}, 0},
		{"two", Config{}, []Uplink{b, c}, limits.FirstTry},
		{"one, but the peer has a name", Config{Named: true}, []Uplink{b}, limits.FirstTry},
	} {
		s := play(t, tt.cfg, a)
		s.uplinksAre(tt.ups...)
		if o := s.ordered(PathGone, b); o.Timeout != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, o.Timeout, tt.want)
		}
	}
}

// TestMachineStaleFailure: an attempt that fails after the uplinks have changed
// says nothing of the new ones.
func TestMachineStaleFailure(t *testing.T) {
	s := play(t, Config{}, a)
	s.uplinksAre(b)
	s.ordered(PathGone, b)
	s.uplinksAre(c, b)
	s.Failed(s.now)
	if o := s.ordered(PathGone, c); o.Resolve {
		t.Errorf("%+v", o)
	}
	s.uplinksAre(b)
	s.Failed(s.now)
	s.moves(PathGone, b)
}

func TestMachineDead(t *testing.T) {
	s := play(t, Config{}, a, b)
	s.dead(limits.HandoverPatience - 1)
	s.rests(0)
	s.dead(limits.HandoverPatience)
	if o := s.fails(PathDead, a); o.Leave {
		t.Error("leaves a path that may come back")
	}
	s.moves(PathDead, b)
	// a has failed: it is to prove itself.
	s.rests(limits.FirstPenalty + limits.HandoverSettle)
	s.moves(Preferred, a)
	s.rests(0)
}

// TestMachineRecovers: failures count no more once the peer has answered.
func TestMachineRecovers(t *testing.T) {
	s := play(t, Config{}, a)
	s.dead(3)
	s.fails(PathDead, a)
	s.rests(limits.FirstBackoff)
	s.fails(PathDead, a)
	s.Heard(s.now, 1) // answered, and silent again
	s.rests(0)
	s.dead(3)
	if o := s.fails(PathDead, a); o.Resolve {
		t.Errorf("%+v", o)
	}
	s.rests(limits.FirstBackoff)
}

// TestMachineMovedByOthers: moves that nobody ordered do not count.
func TestMachineMovedByOthers(t *testing.T) {
	s := play(t, Config{}, a, b)
	for range 2 * limits.MaxMovesPerMinute {
		s.Moved(s.now, a.Local, []Uplink{a, b})
	}
	s.rests(0)
	s.Moved(s.now, b.Local, []Uplink{a, b})
	s.rests(limits.HandoverSettle)
	s.moves(Preferred, a)
	// To where there is no uplink.
	s.Moved(s.now, c.Local, []Uplink{a, b})
	s.moves(PathGone, a)
	// During an order.
	s.dead(3)
	s.ordered(PathDead, a)
	s.Moved(s.now, a.Local, []Uplink{a, b})
	s.rests(0)
}

func TestMachineYields(t *testing.T) {
	s := play(t, Config{}, a)
	s.uplinksAre(b)
	s.ordered(PathGone, b)
	s.Yielded(s.now)
	s.rests(limits.FirstBackoff)
	if o := s.ordered(PathGone, b); o.Resolve {
		t.Errorf("%+v", o)
	}
}

func TestMachineWakes(t *testing.T) {
	s := play(t, Config{}, a, b)
	s.SetUplinks(s.now, []Uplink{a, b}, true)
	s.moves(Woke, a)
	s.rests(0)
	s.SetUplinks(s.now, []Uplink{a, b}, true)
	s.fails(Woke, a)
	s.fails(Woke, b)
	s.rests(0) // time-outs will tell
}

func TestMachineHint(t *testing.T) {
	s := play(t, Config{}, a, b)
	s.Hint(s.now)
	s.moves(Hint, b)
	s.rests(limits.FirstPenalty + limits.HandoverSettle)
	s.moves(Preferred, a)

	// Hints shorten a pause, but no more than that.
	s = play(t, Config{}, a)
	s.uplinksAre(b)
	for range 8 {
		s.fails(PathGone, b)
		_, again := s.Decide(s.now)
		s.now = again
	}
	s.fails(PathGone, b)
	s.Hint(s.now)
	s.rests(limits.FirstBackoff)
	s.ordered(PathGone, b)
}

// TestMachineUnreachable: an ICMP error counts until the peer is heard of.
func TestMachineUnreachable(t *testing.T) {
	s := play(t, Config{}, a)
	s.Unreachable(s.now)
	s.rests(0)
	s.Heard(s.now.Add(time.Second), 0)
	s.pass(time.Hour)
	s.dead(1)
	s.rests(0)
	s.Unreachable(s.now)
	s.moves(Unreachable, a)
}

func TestMachineHeld(t *testing.T) {
	s := play(t, Config{}, a)
	s.SetHeld(true)
	s.fails(Held, a)
	s.rests(limits.FirstBackoff)
	s.moves(Held, a)
	s.rests(0)
	s = play(t, Config{Accepted: true}, a)
	s.SetHeld(true)
	s.rests(0)
}

// TestMachineFamilies: a connection stays in its family as long as that works.
func TestMachineFamilies(t *testing.T) {
	s := play(t, Config{}, six, a)
	s.rests(0)
	s.uplinksAre(six, b)
	s.fails(PathGone, b)
	s.moves(PathGone, six)
	s.rests(0) // nothing is better than six now
	s.uplinksAre(a, six)
	s.rests(0)
}

func TestUplinkString(t *testing.T) {
	for want, u := range map[string]Uplink{
		"10.1.0.2":        {Local: a.Local},
		"10.1.0.2 (eth0)": a,
	} {
		if got := u.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestMachineMovedElsewhere has the peer move the connection to another of its addresses.
// Other uplinks lead there, and none of the uplinks from before is missed.
func TestMachineMovedElsewhere(t *testing.T) {
	bySplit := Uplink{Local: a.Local, Via: Route{Interface: "tun0"}}
	for name, there := range map[string]Uplink{"another family": six, "another route": bySplit} {
		for _, accepted := range []bool{true, false} {
			s := play(t, Config{Accepted: accepted}, a)
			s.Moved(s.now, there.Local, []Uplink{there})
			s.rests(0)
			s.uplinksAre(there)
			s.rests(0)
			s.Moved(s.now, a.Local, []Uplink{a})
			s.rests(0)
			s.uplinksAre()
			if o, _ := s.Decide(s.now); !o.Hold {
				t.Errorf("%s: %+v without an uplink", name, o)
			}
		}
	}
}

// TestMachineUnknownUplink has a connection whose uplink nobody has ever told of. It has a
// path, as the peer answers: it is held once the peer does not.
func TestMachineUnknownUplink(t *testing.T) {
	s := play(t, Config{})
	s.rests(0)
	s.dead(1)
	if o, _ := s.Decide(s.now); !o.Hold {
		t.Errorf("%+v without an answer", o)
	}
}
