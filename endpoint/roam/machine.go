// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"net/netip"
	"slices"
	"time"
)

// Order is what a [Machine] wants done.
type Order struct {
	// Suspend: there is no path; the connection shall wait. Nothing else is set.
	Suspend bool

	// Cause is None if there is nothing to do; else the connection shall move to
	// Uplink.
	Cause  Cause
	Uplink Uplink
	// Leave: the old path is gone; nothing shall be sent on it any more.
	Leave bool
	// Resolve: the peer did not answer where it was; look its name up again.
	Resolve bool
	// Timeout bounds the attempt; 0 means that the handshake's own limits do.
	Timeout time.Duration
}

// Machine decides for one connection. The zero value is not ready: use
// [NewMachine]. It is not safe for concurrent use. Times are on any clock that
// does not go back.
type Machine struct {
	policy   Policy
	accepted bool

	uplinks []Uplink // fit for the connection, its family first
	since   time.Time
	at      Uplink // where the connection is
	known   bool   // at has been an uplink
	gone    bool   // and is not any more; until the next move

	ready     bool // the connection can migrate
	closed    bool
	suspended bool // no uplink: said so
	busy      Cause

	unanswered  int
	unreachable bool
	held        bool
	woke        bool
	hinted      bool

	tried   int
	backoff time.Duration
	notYet  time.Time
	moves   []time.Time // the latest, at most MaxMovesPerMinute
}

// NewMachine returns the machine of a connection from a local address.
func NewMachine(p Policy, local netip.Addr, accepted bool) *Machine {
	return &Machine{policy: p, at: Uplink{Local: local}, accepted: accepted}
}

// SetUplinks tells what uplinks there are, the best first, and whether the
// machine slept until now. ups must not be changed afterwards.
func (m *Machine) SetUplinks(now time.Time, ups []Uplink, woke bool) {
	ups = m.sameFamilyFirst(ups)
	if !slices.Equal(ups, m.uplinks) || m.since.IsZero() {
		m.uplinks, m.since = ups, now
		m.retry()
	}
	if woke {
		m.woke = true
		m.retry()
	}
	m.locate()
	if len(ups) > 0 {
		m.suspended = false
	}
}

// sameFamilyFirst puts the uplinks of the connection's family first.
func (m *Machine) sameFamilyFirst(ups []Uplink) []Uplink {
	ups = slices.Clone(ups)
	slices.SortStableFunc(ups, func(a, b Uplink) int {
		return m.otherFamily(a) - m.otherFamily(b)
	})
	return ups
}

func (m *Machine) otherFamily(u Uplink) int {
	if u.Local.Is4() == m.at.Local.Is4() {
		return 0
	}
	return 1
}

// locate finds out whether the uplink in use is still there. Before it has been
// seen, an uplink is known by its address only.
func (m *Machine) locate() {
	if !m.known {
		if i := slices.IndexFunc(m.uplinks, func(u Uplink) bool { return u.Local == m.at.Local }); i >= 0 {
			m.at, m.known = m.uplinks[i], true
			return
		}
	}
	if !slices.Contains(m.uplinks, m.at) {
		m.gone = true
	}
}

// retry forgets what has been tried in vain.
func (m *Machine) retry() { m.tried, m.backoff, m.notYet = 0, 0, time.Time{} }

// Settled tells that the negotiation has ended.
func (m *Machine) Settled(migratable bool) {
	m.ready, m.closed = migratable, m.closed || !migratable
}

// Unanswered tells that the peer has not answered n times in a row.
func (m *Machine) Unanswered(n int) {
	m.unanswered = n
	if n == 0 {
		m.unreachable = false
	}
}

// Unreachable tells of an ICMP error.
func (m *Machine) Unreachable() { m.unreachable = true }

// SetHeld tells whether the connection is in MIGRATE_WAIT.
func (m *Machine) SetHeld(held bool) { m.held = held }

// Hint tells that the application thinks the path is bad.
func (m *Machine) Hint() {
	m.hinted = true
	m.retry()
}

// Closed tells that the connection is closed. Nothing is ordered any more.
func (m *Machine) Closed() { m.closed = true }

// Done reports whether the machine has nothing to decide any more: the connection
// is closed, or plain TCP.
func (m *Machine) Done() bool { return m.closed }

// Moved tells that the connection is at another local address or port, whoever
// moved it there. u is the uplink of an order, or has just the address.
func (m *Machine) Moved(now time.Time, u Uplink) {
	m.at, m.known = u, u.Via != ""
	m.gone, m.held, m.woke, m.hinted, m.suspended = false, false, false, false, false
	m.unanswered, m.unreachable = 0, false
	m.retry()
	m.uplinks = m.sameFamilyFirst(m.uplinks)
	m.locate()
	if len(m.moves) == MaxMovesPerMinute {
		m.moves = slices.Delete(m.moves, 0, 1)
	}
	m.moves = append(m.moves, now)
}

// Failed tells that the attempt that was ordered has failed.
func (m *Machine) Failed(now time.Time) {
	cause := m.busy
	m.busy = None
	m.tried++
	if m.tried < len(m.uplinks) && cause != Preferred {
		return // the next one at once
	}
	if m.backoff = min(2*m.backoff, MaxBackoff); m.backoff == 0 {
		m.backoff = FirstBackoff
	}
	m.notYet = now.Add(m.backoff)
	// What was a reason once is not one for ever.
	m.woke, m.hinted, m.unreachable = false, false, false
}

// Succeeded tells that the attempt that was ordered has succeeded; Moved says
// where the connection is.
func (m *Machine) Succeeded() { m.busy = None }

// Decide returns what is to be done now, and when to ask again if nothing happens
// until then; the zero time means never. After an order to move it orders nothing
// until Succeeded or Failed.
func (m *Machine) Decide(now time.Time) (o Order, again time.Time) {
	switch {
	case m.closed || !m.ready || m.busy != None || m.since.IsZero():
		return Order{}, time.Time{}
	case len(m.uplinks) == 0:
		if m.suspended {
			return Order{}, time.Time{}
		}
		m.suspended = true
		return Order{Suspend: true}, time.Time{}
	}
	s := m.situation(now)
	d := m.policy(s)
	if d.Cause == None {
		if d.Again > 0 {
			again = now.Add(d.Again)
		}
		return Order{}, again
	}
	if at := m.earliest(now); at.After(now) {
		return Order{}, at
	}
	m.busy = d.Cause
	o = Order{
		Cause:   d.Cause,
		Uplink:  m.uplinks[d.To],
		Leave:   m.gone,
		Resolve: m.tried > 0,
	}
	if len(m.uplinks) > 1 {
		o.Timeout = FirstTry
	}
	return o, time.Time{}
}

func (m *Machine) situation(now time.Time) Situation {
	s := Situation{
		Uplinks:     m.uplinks,
		Current:     -1,
		Settled:     now.Sub(m.since),
		Unanswered:  m.unanswered,
		Unreachable: m.unreachable,
		Held:        m.held,
		Woke:        m.woke,
		Hinted:      m.hinted,
		Tried:       m.tried,
		Accepted:    m.accepted,
	}
	if !m.gone {
		s.Current = slices.Index(m.uplinks, m.at)
	}
	return s
}

// earliest returns when the next attempt may begin.
func (m *Machine) earliest(now time.Time) time.Time {
	at := m.notYet
	if len(m.moves) == MaxMovesPerMinute {
		if free := m.moves[0].Add(time.Minute); free.After(at) {
			at = free
		}
	}
	return at
}
