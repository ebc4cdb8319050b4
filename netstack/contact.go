// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
)

// MigrationEvent is something that happened to a connection and that may be a reason
// to move it.
type MigrationEvent uint8

// Events of a connection.
const (
	// EventSettled: the negotiation has ended, one way or the other.
	EventSettled MigrationEvent = iota
	// EventUnanswered: a retransmission timer has expired, or a keep-alive probe
	// was not answered.
	EventUnanswered
	// EventUnreachable: an ICMP error came about a segment of the current tuple.
	EventUnreachable
	// EventHeld: the connection is held from now on.
	EventHeld
	// EventMoved: the connection has moved, whichever end asked for it.
	EventMoved
	// EventClosed: the connection is closed and will not move any more.
	EventClosed
)

// watch is what a connection keeps for its watcher.
type watch struct {
	notify  func(MigrationEvent)
	doubted atomic.Bool // an ICMP error about the current tuple is being looked at

	// The endpoint's mutex protects what follows.
	heard      tcpip.MonotonicTime // when the peer was last heard of, at the last EventUnanswered
	unanswered int                 // events of that kind since then
	settled    bool                // EventSettled has been reported
}

// Watch has notify called with the events from now on, until Watch is called again;
// nil only ends it. If the negotiation or the connection has ended already, that is
// the first event. Calls may be concurrent and come with the endpoint's mutex held:
// notify must not block and not use the connection.
func (m *Migration) Watch(notify func(MigrationEvent)) {
	if notify == nil {
		m.watch.Store(nil)
		return
	}
	m.ep.MigrationLock(func() {
		w := &watch{notify: notify}
		m.watch.Store(w)
		st := m.machine.State()
		if w.settled = st == migrate.Confirmed || st == migrate.Plain; w.settled {
			notify(EventSettled)
		}
		if m.machine.Reason() == migrate.PlainClosed {
			notify(EventClosed)
		}
	})
}

// ProbeSilence has keep-alive, if that is on, probe the peer once nothing has come for
// d after data. A receiver cannot tell a pause from a dead path otherwise. While the
// peer answers, the next probes come after 2d, 4d and so on, up to the idle time of
// keep-alive. d counts in milliseconds and is at most seven weeks. Zero ends that.
func (m *Migration) ProbeSilence(d time.Duration) {
	m.ep.MigrationLock(func() { m.ep.MigrationProbe(d) })
}

func (m *Migration) notify(e MigrationEvent) {
	if w := m.watch.Load(); w != nil {
		w.notify(e)
	}
}

// unanswered counts the signs in a row that the peer, last heard of at heard, does not
// answer. Caller holds the endpoint.
func (m *Migration) unanswered(heard tcpip.MonotonicTime) {
	w := m.watch.Load()
	if w == nil {
		return
	}
	if heard != w.heard {
		w.heard, w.unanswered = heard, 0
	}
	w.unanswered++
	w.notify(EventUnanswered)
}

// answered begins to count anew. Caller holds the endpoint.
func (m *Migration) answered() {
	if w := m.watch.Load(); w != nil {
		w.unanswered = 0
	}
}

// lookOnce calls f with the endpoint's mutex, unless such a call is due already. So any
// number of ICMP errors needs one goroutine. lookOnce does not wait, because the caller
// may hold the mutex: a link may deliver an ICMP error while a segment is being sent.
func (m *Migration) lookOnce(looking *atomic.Bool, f func()) {
	if looking.Swap(true) {
		return
	}
	go func() {
		m.ep.MigrationLock(func() {
			looking.Store(false)
			f()
		})
	}()
}

// Contact says how the peer answers.
type Contact struct {
	// Heard is when the peer was last heard of, on the clock of the stack.
	Heard time.Time
	// Unanswered counts, since then and on the current path, how often a
	// retransmission timer has expired or a keep-alive probe was not answered. It
	// is 0 if nobody watches.
	Unanswered int
	// InFlight is how many bytes were sent and are not acknowledged.
	InFlight int
	// SndUna is the oldest sequence number that is not acknowledged.
	SndUna uint32
}

// Contact returns how the peer answers.
func (m *Migration) Contact() (c Contact) {
	m.ep.MigrationLock(func() {
		heard := m.ep.MigrationHeard()
		tcb := m.tcb()
		c.InFlight = int(tcb.SndNxt - tcb.SndUna)
		c.SndUna = tcb.SndUna
		clock := m.migrator.gv.Clock()
		c.Heard = clock.Now().Add(-clock.NowMonotonic().Sub(heard))
		if w := m.watch.Load(); w != nil && w.heard == heard {
			c.Unanswered = w.unanswered
		}
	})
	return c
}
