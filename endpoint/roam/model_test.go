// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// model is a small network with one connection in it: uplinks that come and go and
// carry packets or do not, and the clock.
type model struct {
	*script
	rnd   *rand.Rand
	ups   []Uplink
	works map[Uplink]bool
	at    Uplink // where the connection is, whether or not that is an uplink

	order    Order     // under way, if its Cause is not None
	until    time.Time // then it ends
	silent   int       // time-outs in a row
	moves    []time.Time
	attempts int
	log      []string
}

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%10v ", m.now.Sub(time.Unix(1e9, 0)))+fmt.Sprintf(format, args...))
}

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	for _, l := range m.log[max(0, len(m.log)-40):] {
		m.t.Log(l)
	}
	m.t.Fatalf(format, args...)
}

// alive reports whether the connection's path carries packets.
func (m *model) alive() bool { return slices.Contains(m.ups, m.at) && m.works[m.at] }

// decide asks the machine, checks its order and carries it out. It returns the time of
// the next question.
func (m *model) decide() time.Time {
	m.t.Helper()
	o, again := m.Decide(m.now)
	if !again.IsZero() && (!again.After(m.now) || again.Sub(m.now) > limits.MaxPenalty+time.Minute) {
		m.fatalf("asks again after %v", again.Sub(m.now))
	}
	switch {
	case m.order.Cause != None && (o != (Order{}) || !again.IsZero()):
		m.fatalf("%+v, again %v, while an order is under way", o, again)
	case o.Hold && (len(m.ups) > 0 || o != (Order{Hold: true})):
		m.fatalf("%+v with uplinks %v", o, m.ups)
	case o.Hold:
		m.note("no path: to be held")
		m.SetHeld(true)
	case o.Cause != None:
		if !slices.Contains(m.ups, o.Uplink) {
			m.fatalf("%+v, uplinks %v", o, m.ups)
		}
		if o.Leave && slices.Contains(m.ups, m.at) && m.silent == 0 && o.Cause != PathGone {
			m.fatalf("%+v leaves a path that is there", o)
		}
		m.Begin(o)
		m.attempts++
		m.order, m.until = o, m.now.Add(40*time.Millisecond)
		if !m.works[o.Uplink] {
			m.until = m.now.Add(cmp.Or(o.Timeout, 6300*time.Millisecond))
		}
		m.note("%v to %v, uplinks %v", o.Cause, o.Uplink, m.ups)
	}
	return again
}

// finish ends the order under way.
func (m *model) finish() {
	o := m.order
	m.order = Order{}
	if !m.works[o.Uplink] || !slices.Contains(m.ups, o.Uplink) {
		m.note("failed")
		m.Failed(m.now)
		return
	}
	m.note("moved")
	m.at, m.silent = o.Uplink, 0
	m.Succeeded(m.now)
	m.moves = append(m.moves, m.now)
	m.capped(o.Cause)
}

// maxGonePerMinute is how many moves a minute are made if paths are gone all the time.
// The pauses are 1+2+4+8+16 s, and the next would be longer than the time left.
const maxGonePerMinute = limits.MaxMovesPerMinute + 5

// capped checks the number of moves that the latest one ends, for cause c.
func (m *model) capped(c Cause) {
	m.t.Helper()
	limit := limits.MaxMovesPerMinute
	if c == PathGone {
		limit = maxGonePerMinute
	}
	if n := len(m.moves); n > limit && m.now.Sub(m.moves[n-1-limit]) < time.Minute {
		m.fatalf("%d moves in %v, the last for %v", limit+1, m.now.Sub(m.moves[n-1-limit]), c)
	}
}

// tick is when the peer has answered the next time, or has not.
func (m *model) tick() time.Duration {
	if m.alive() && m.silent == 0 {
		return 5 * time.Second
	}
	return 400 * time.Millisecond
}

// run lets d pass.
func (m *model) run(d time.Duration) {
	m.t.Helper()
	end := m.now.Add(d)
	tick := m.now
	for {
		again := m.decide()
		next := tick.Add(m.tick())
		timer := !again.IsZero() && again.Before(next)
		if timer {
			next = again
		}
		over := m.order.Cause != None && m.until.Before(next)
		if over {
			next, timer = m.until, false
		}
		if next.After(end) {
			m.now = end
			return
		}
		m.now = next
		switch {
		case over:
			m.finish()
		case !timer:
			tick = next
			if m.alive() {
				m.silent = 0
				m.Heard(m.now, 0)
			} else {
				m.silent++
				m.Heard(m.now.Add(-time.Duration(m.silent)*400*time.Millisecond), m.silent)
			}
		}
	}
}

// change has something happen.
func (m *model) change() {
	m.t.Helper()
	all := []Uplink{a, b, c, six}
	switch m.rnd.IntN(8) {
	case 0, 1, 2:
		m.ups = nil
		for _, i := range m.rnd.Perm(len(all))[:m.rnd.IntN(len(all)+1)] {
			m.ups = append(m.ups, all[i])
		}
		woke := m.rnd.IntN(4) == 0
		m.note("uplinks %v, woke %v", m.ups, woke)
		m.SetUplinks(m.now, m.ups, woke)
		if o := m.order; o.Cause != None && !slices.Contains(m.ups, o.Uplink) {
			m.until = m.now // given up at once
		}
	case 3, 4:
		u := all[m.rnd.IntN(len(all))]
		m.works[u] = !m.works[u]
		m.note("%v works: %v", u, m.works[u])
	case 5:
		m.note("hint")
		m.Hint(m.now)
	case 6:
		m.note("unreachable")
		m.Unreachable(m.now)
	case 7:
		m.note("held")
		m.SetHeld(true)
	}
}

// newModel returns a network in which all is well.
func newModel(t *testing.T, cfg Config, seed uint64) *model {
	return &model{
		script: play(t, cfg, a, b, c),
		rnd:    rand.New(rand.NewPCG(seed, 1)),
		ups:    []Uplink{a, b, c},
		works:  map[Uplink]bool{a: true, b: true, c: true, six: true},
		at:     a,
	}
}

// TestModel plays random stories. In each of them the machine always keeps its limits.
// When things are quiet, it soon has the connection where it works, and leaves it
// alone.
func TestModel(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 50
	}
	for seed := range uint64(n) {
		policy := Handover
		if seed%2 == 1 {
			policy = Interactive
		}
		m := newModel(t, Config{Policy: policy, Named: seed%3 == 0}, seed)
		for range 40 {
			m.change()
			m.run(time.Duration(m.rnd.Int64N(int64(time.Duration(1) << (20 + m.rnd.IntN(16))))))
		}
		m.calm()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestModelFlapping has uplinks come and go for minutes, as fast as in a storm. The
// moves are bounded, and whenever the storm is over the connection has a path soon.
func TestModelFlapping(t *testing.T) {
	for seed := range uint64(10) {
		m := newModel(t, Config{}, seed)
		for range 5 {
			fastest := time.Duration(1) << (26 + m.rnd.IntN(6)) // 67 ms to 2 s
			for end := m.now.Add(2 * time.Minute); m.now.Before(end); {
				m.ups = []Uplink{{Local: a.Local, Via: Route{Interface: fmt.Sprint(m.rnd.IntN(100))}}}
				m.works[m.ups[0]] = true
				m.SetUplinks(m.now, m.ups, false)
				if m.order.Cause != None {
					m.until = m.now
				}
				m.run(time.Duration(m.rnd.Int64N(int64(fastest))))
			}
			over := m.now
			for !m.alive() {
				m.run(100 * time.Millisecond)
			}
			// The longest pause that is not cut short by the end of the minute.
			if took := m.now.Sub(over); took > 32*time.Second {
				m.fatalf("no path for %v", took)
			}
			m.run(time.Second)
		}
		if len(m.moves) < 5*2*limits.MaxMovesPerMinute {
			t.Errorf("seed %d: %d moves only", seed, len(m.moves))
		}
	}
}

// calm ends the story: everything works, or one uplink of many does.
func (m *model) calm() {
	m.t.Helper()
	m.ups = []Uplink{a, b, c}
	for _, u := range m.ups {
		m.works[u] = m.rnd.IntN(2) == 0
	}
	m.works[m.ups[m.rnd.IntN(3)]] = true
	m.note("calm: %v", m.works)
	if m.order.Cause != None {
		m.until = m.now
	}
	m.SetUplinks(m.now, m.ups, false)
	// A minute for the cap, one for the pace, a round of attempts.
	m.run(2*time.Minute + 4*limits.MaxTry)
	if !m.alive() {
		m.fatalf("the path of the connection is dead, at %v of %v", m.at, m.works)
	}
	// A better uplink that works is used once its penalty is over; one that does
	// not work is tried from time to time.
	m.run(2 * limits.MaxPenalty)
	moves, attempts := len(m.moves), m.attempts
	m.run(time.Hour)
	if len(m.moves) != moves {
		m.fatalf("%d moves while nothing is wrong", len(m.moves)-moves)
	}
	if n, limit := m.attempts-attempts, 2*int(time.Hour/limits.MaxPenalty); n > limit {
		m.fatalf("%d attempts in an hour in which nothing is wrong, want at most %d", n, limit)
	}
	// None, for long, and then one.
	m.ups = nil
	m.SetUplinks(m.now, nil, false)
	m.run(time.Hour)
	u := Uplink{Local: c.Local, Via: Route{Interface: "new"}}
	m.ups, m.works[u] = []Uplink{u}, true
	m.SetUplinks(m.now, m.ups, false)
	m.run(50 * time.Millisecond)
	if m.at != u {
		m.fatalf("has not resumed at once")
	}
}
