// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package roam

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// Machine decides for one connection. The zero value is not ready: use [NewMachine]. It
// is not safe for concurrent use. Times are on any clock that does not go back.
type Machine struct {
	cfg Config

	uplinks []uplink // fit for the connection, its family first
	told    bool     // SetUplinks has been called
	at      Uplink   // that the connection uses
	known   bool     // at has been among uplinks
	gone    bool     // at is no longer among them; until the next move

	ready       bool // the connection can migrate
	closed      bool
	holdOrdered bool // the order to hold has been given

	unanswered  int
	unreachable time.Time // when an ICMP error came, if it still counts
	held        bool
	woke        bool
	hinted      bool

	busy  Order // under way, if its Cause is not None
	stale bool  // a failure of it does not count

	failures int // attempts that failed since the last move or change of uplinks
	rounds   int // how many times all uplinks have failed since then
	notYet   time.Time
	history
}

// uplink is one of the machine's uplinks.
type uplink struct {
	Uplink
	since  time.Time // it has been there since
	failed int       // attempts over it since the last move or change of uplinks
}

// NewMachine returns the machine of a connection.
func NewMachine(cfg Config) *Machine {
	return &Machine{cfg: cfg, at: Uplink{Local: cfg.Local}}
}

// SetUplinks takes the present uplinks, the best first, and whether the host slept until
// now.
func (m *Machine) SetUplinks(now time.Time, ups []Uplink, woke bool) {
	if !m.replace(now, ups) || !m.told {
		m.told = true
		m.locate(now)
		m.retry()
	}
	if woke {
		m.woke = true
		m.retry()
	}
	if len(ups) > 0 {
		m.holdOrdered = false
	}
}

// replace takes a list of uplinks, and reports whether it is the same as before.
func (m *Machine) replace(now time.Time, ups []Uplink) (same bool) {
	next := make([]uplink, len(ups))
	for i, u := range ups {
		next[i] = uplink{Uplink: u, since: now}
		if j := m.index(u); j >= 0 {
			next[i] = m.uplinks[j]
		}
	}
	m.sort(next)
	same = slices.EqualFunc(next, m.uplinks, func(a, b uplink) bool { return a.Uplink == b.Uplink })
	m.uplinks = next
	return same
}

// sort puts the uplinks of the connection's family first.
func (m *Machine) sort(ups []uplink) {
	otherFamily := func(u uplink) int {
		if u.Local.Is4() == m.at.Local.Is4() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(ups, func(a, b uplink) int { return otherFamily(a) - otherFamily(b) })
}

func (m *Machine) index(u Uplink) int {
	return slices.IndexFunc(m.uplinks, func(o uplink) bool { return o.Uplink == u })
}

// locate finds out whether the uplink in use is still there. Until it has been among the
// uplinks, only its address is known.
func (m *Machine) locate(now time.Time) {
	if !m.known {
		if i := slices.IndexFunc(m.uplinks, func(u uplink) bool { return u.Local == m.at.Local }); i >= 0 {
			m.at, m.known = m.uplinks[i].Uplink, true
			return
		}
	}
	if !m.gone && m.index(m.at) < 0 {
		m.gone = true
		m.lost(now, m.at)
	}
}

// retry forgets the failures.
func (m *Machine) retry() {
	m.failures, m.rounds, m.notYet = 0, 0, time.Time{}
	for i := range m.uplinks {
		m.uplinks[i].failed = 0
	}
	m.stale = true
}

// Settled takes the end of the negotiation.
func (m *Machine) Settled(migratable bool) {
	m.ready, m.closed = migratable, m.closed || !migratable
}

// Heard takes when the peer was last heard, and how many times in a row it has not
// answered since.
func (m *Machine) Heard(at time.Time, unanswered int) {
	if unanswered < m.unanswered && !m.gone {
		m.retry() // the peer has answered in between
	}
	m.unanswered = unanswered
	if at.After(m.unreachable) {
		m.unreachable = time.Time{}
	}
}

// Unreachable takes an ICMP error.
func (m *Machine) Unreachable(now time.Time) { m.unreachable = now }

// SetHeld takes whether the connection is held.
func (m *Machine) SetHeld(held bool) { m.held = held }

// Hint takes the hint of the application that the path is bad. It shortens a pause, but
// does not end it: an application may hint at any rate.
func (m *Machine) Hint(now time.Time) {
	m.hinted = true
	if soon := now.Add(limits.FirstBackoff); m.notYet.After(soon) {
		m.notYet = soon
	}
}

// Closed takes the end of the connection. Nothing is ordered any more.
func (m *Machine) Closed() { m.closed = true }

// Done reports whether the machine has nothing to decide any more, because the connection
// is closed or plain TCP.
func (m *Machine) Done() bool { return m.closed }

// Moved takes a move that the machine has not ordered: the peer or the application moved
// the connection, for a reason. So a better uplink has to settle anew. The peer may be at
// another address now, which has uplinks of its own: ups.
func (m *Machine) Moved(now time.Time, local netip.Addr, ups []Uplink) {
	m.busy = Order{}
	m.replace(now, ups)
	m.told = true
	for i := range m.uplinks {
		m.uplinks[i].since = now
	}
	m.arrive(now, Uplink{Local: local})
}

// Succeeded takes the success of the order under way.
func (m *Machine) Succeeded(now time.Time) {
	o := m.busy
	m.busy = Order{}
	m.note(now, m.at, o)
	m.arrive(now, o.Uplink)
}

func (m *Machine) arrive(now time.Time, u Uplink) {
	m.at, m.known = u, u.Via != (Route{})
	m.gone, m.held, m.woke, m.hinted, m.holdOrdered = false, false, false, false, false
	m.unanswered, m.unreachable = 0, time.Time{}
	m.retry()
	m.sort(m.uplinks)
	m.locate(now)
}

// Failed takes the failure of the order under way.
func (m *Machine) Failed(now time.Time) {
	o := m.busy
	m.busy = Order{}
	i := m.index(o.Uplink)
	if m.stale || i < 0 {
		return
	}
	if m.uplinks[i].failed == 0 {
		m.penalise(now, o.Uplink)
	}
	if o.Cause == Preferred {
		return // its penalty is enough
	}
	m.failures++
	m.uplinks[i].failed++
	if slices.ContainsFunc(m.uplinks, func(u uplink) bool { return u.failed <= m.rounds }) {
		return // the next one at once
	}
	m.rounds++
	m.notYet = now.Add(doubled(limits.FirstBackoff, m.rounds-1, limits.MaxBackoff))
	// These events were a reason once. They are no reason forever.
	m.woke, m.hinted, m.unreachable = false, false, time.Time{}
}

// Yielded takes the end of the order under way in favour of a request of the peer. That
// request is likely to move the connection.
func (m *Machine) Yielded(now time.Time) {
	m.busy = Order{}
	m.notYet = now.Add(limits.FirstBackoff)
}

// Decide returns what to do now, and when to ask again if nothing happens until then. The
// zero time means never. It orders nothing while an order is under way.
func (m *Machine) Decide(now time.Time) (o Order, again time.Time) {
	if m.closed || !m.ready || !m.told || m.holdOrdered || m.busy.Cause != None {
		return Order{}, time.Time{}
	}
	d := m.cfg.Policy(m.situation(now))
	switch {
	case d.Cause != None && len(m.uplinks) == 0 && !m.known && m.unanswered == 0:
		// Nobody knows its uplink, and the peer answers: it has a path.
		return Order{}, time.Time{}
	case d.Cause != None && len(m.uplinks) == 0:
		m.holdOrdered = true
		return Order{Hold: true}, time.Time{}
	case d.Cause == None:
		if d.Again > 0 {
			again = now.Add(d.Again)
		}
		return Order{}, again
	}
	if at := m.earliest(d.Cause); at.After(now) {
		return Order{}, at
	}
	o = Order{
		Cause:   d.Cause,
		Uplink:  m.uplinks[d.To].Uplink,
		Leave:   m.gone,
		Resolve: m.failures > 0,
	}
	if len(m.uplinks) > 1 || m.cfg.Named {
		o.Timeout = doubled(limits.FirstTry, m.rounds, limits.MaxTry)
	}
	return o, time.Time{}
}

// Begin says that an order to move is under way, until Succeeded, Failed, Yielded or
// Moved.
func (m *Machine) Begin(o Order) { m.busy, m.stale = o, false }

func (m *Machine) situation(now time.Time) Situation {
	s := Situation{
		Uplinks:     make([]Candidate, len(m.uplinks)),
		Current:     -1,
		Unanswered:  m.unanswered,
		Unreachable: !m.unreachable.IsZero(),
		Held:        m.held,
		Woke:        m.woke,
		Hinted:      m.hinted,
		Relapsed:    m.relapsed(now),
		Accepted:    m.cfg.Accepted,
	}
	for i, u := range m.uplinks {
		s.Uplinks[i] = Candidate{Uplink: u.Uplink, Settled: m.settled(now, u), Failed: u.failed}
	}
	if !m.gone {
		s.Current = m.index(m.at)
	}
	return s
}

// earliest returns when an attempt for a cause may begin.
func (m *Machine) earliest(c Cause) time.Time {
	if at := m.pace(c); at.After(m.notYet) {
		return at
	}
	return m.notYet
}

// doubled returns d doubled n times, at most limit.
func doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}
