// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/migrate"
)

// MigrationEvent is something that happened to a connection which is a reason to
// think about where it should be.
type MigrationEvent uint8

// Events of a connection.
const (
	// EventSettled: the negotiation has ended, one way or the other.
	EventSettled MigrationEvent = iota
	// EventUnanswered: a retransmission timer has expired, or a keep-alive probe
	// was not answered.
	EventUnanswered
	// EventUnreachable: an ICMP error came for what was sent on the current tuple.
	EventUnreachable
	// EventHeld: the connection has gone to MIGRATE_WAIT.
	EventHeld
	// EventMoved: the connection has moved, whoever asked for it.
	EventMoved
	// EventClosed: it will not move any more.
	EventClosed
)

// watch is what a connection keeps for who watches it.
type watch struct {
	notify  func(MigrationEvent)
	doubted atomic.Bool // an ICMP error about the current tuple is being looked at

	// Guarded by the endpoint's mutex.
	heard   tcpip.MonotonicTime // when the peer was last heard of, at the last EventUnanswered
	n       int                 // of them since then
	settled bool                // EventSettled has been told
}

// Watch has notify called with the events from now on, first with EventSettled
// or EventClosed if that was before. Calls may be concurrent and come with the
// endpoint's mutex held: notify must not block and not use the connection. Nil
// ends it.
func (h *Migration) Watch(notify func(MigrationEvent)) {
	if notify == nil {
		h.watch.Store(nil)
		return
	}
	h.tcb.MigrationLock(func() {
		w := &watch{notify: notify}
		h.watch.Store(w)
		st := h.conn.State()
		if w.settled = st == migrate.Confirmed || st == migrate.Plain; w.settled {
			notify(EventSettled)
		}
		if h.conn.Reason() == migrate.PlainClosed {
			notify(EventClosed)
		}
	})
}

// ProbeSilence has the peer asked whether it is still there once nothing has come
// for d after data, if keep-alive is on: a receiver cannot tell a pause from a path
// that is dead. While it answers it is asked after 2d, 4d and so on, up to the idle
// time of keep-alive. Zero ends that.
func (h *Migration) ProbeSilence(d time.Duration) {
	h.tcb.MigrationLock(func() { h.tcb.MigrationProbe(d) })
}

func (h *Migration) notify(e MigrationEvent) {
	if w := h.watch.Load(); w != nil {
		w.notify(e)
	}
}

// answered begins to count anew. Caller holds the endpoint.
func (h *Migration) answered() {
	if w := h.watch.Load(); w != nil {
		w.n = 0
	}
}

// MigrationUnanswered is called by gVisor when the peer does not answer.
func (h *Migration) MigrationUnanswered(heard tcpip.MonotonicTime) {
	w := h.watch.Load()
	if w == nil {
		return
	}
	if heard != w.heard {
		w.heard, w.n = heard, 0
	}
	w.n++
	w.notify(EventUnanswered)
}

// MigrationUnreachable is called by gVisor with an ICMP error about a segment of the
// current tuple.
func (h *Migration) MigrationUnreachable(seq uint32) {
	if w := h.watch.Load(); w != nil {
		h.lookOnce(&w.doubted, func() {
			if snapshot(h.tcb).MayQuote(seq) {
				h.notify(EventUnreachable)
			}
		})
	}
}

// MigrationPathUnreachable is called by gVisor with an ICMP error about a segment of
// another tuple.
func (h *Migration) MigrationPathUnreachable(id stack.TransportEndpointID, seq uint32) {
	h.lookOnce(&h.doubted, func() {
		h.do(h.conn.Unreachable(tupleOf(id), seq))
		h.sync()
	})
}

// lookOnce calls f with the endpoint's mutex, unless it is about to: one goroutine is
// enough, whatever comes. The mutex may be held by who sent the segment: a link may
// deliver an ICMP error from within that.
func (h *Migration) lookOnce(looking *atomic.Bool, f func()) {
	if looking.Swap(true) {
		return
	}
	go func() {
		h.tcb.MigrationLock(func() {
			looking.Store(false)
			f()
		})
	}()
}

// Contact says how the peer answers.
type Contact struct {
	// Heard is when it was last heard of, on the clock of the stack.
	Heard time.Time
	// Unanswered is how many times in a row since then a retransmission timer
	// has expired or a keep-alive probe was not answered, on the current path. It
	// is 0 if nobody watches.
	Unanswered int
	// InFlight is how many bytes were sent that are not acknowledged.
	InFlight int
	// SndUna is the oldest sequence number that is not acknowledged.
	SndUna uint32
}

// Contact returns how the peer answers.
func (h *Migration) Contact() (c Contact) {
	h.tcb.MigrationLock(func() {
		heard := h.tcb.MigrationHeard()
		tcb := snapshot(h.tcb)
		c.InFlight = int(tcb.SndNxt - tcb.SndUna)
		c.SndUna = tcb.SndUna
		clock := h.m.gv.Clock()
		c.Heard = clock.Now().Add(-clock.NowMonotonic().Sub(heard))
		if w := h.watch.Load(); w != nil && w.heard == heard {
			c.Unanswered = w.n
		}
	})
	return c
}
