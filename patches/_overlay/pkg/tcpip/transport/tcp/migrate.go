// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// This file and its siblings migrate_*.go let an established connection move
// to other addresses ("TCP Connection Migration", Snoeren and Balakrishnan,
// 2000). They hold mechanism only: they register a second tuple for an endpoint,
// send the segments of the migration handshake, and rebind the TCB. A handler
// outside of this module decides what to offer, whom to believe and when to move.
// An endpoint without a handler behaves as if these files did not exist. It pays
// a nil check. migrate_seam.go declares what both sides know of each other.
//
// docs/protocol.md of mnet has the numbered rules, M and three digits, that comments
// cite.

// migration is the state of an endpoint with a handler. It is small, because each
// connection that may move has one. State of a negotiation or a move is in busy.
//
// The endpoint's mutex protects all fields unless noted.
type migration struct {
	h migrationHandler

	// current is the current tuple, for readers without the endpoint's mutex:
	// ICMP errors about other tuples are ignored. It is empty as long as the
	// connection has had one tuple only.
	current tupleBox

	// busy is nil outside of a negotiation or a move.
	busy *migrationBusy

	// gated: nothing is sent on the current tuple, because its address is
	// gone. held: the connection is held (MIGRATE_WAIT). Nothing is sent, and
	// resets are not believed.
	gated bool
	held  bool

	// watching: the handler sees all segments. acks: it sees the options of
	// segments without payload. proving: it appends to all segments, with payload or
	// without.
	watching bool
	acks     bool
	proving  bool

	// probe is how early silence after data is probed.
	probe probe

	// spacing is the time between the packets of an initial window that was
	// spread, else 0. HyStart takes ACKs so far apart for no train.
	spacing time.Duration

	// fin ends a connection whose FIN is not acknowledged. It is nil before Close.
	fin tcpip.Timer

	// inspect and shape are derived from the fields above and from busy: whether
	// arriving or leaving segments need more than a look at this bit.
	inspect bool
	shape   bool

	closed bool
}

// migrationBusy is the state of a connection that negotiates or moves.
type migrationBusy struct {
	// accept is set for listeners, and nothing else is.
	accept migrationAcceptor

	// path is the tuple on trial, nil if there is none.
	path *migrationPath

	// drains are tuples that the connection has left. They may bring late data.
	drains []*migrationPath

	// clamp keeps acknowledgements within the data that the current path has
	// carried.
	clamp ackClamp

	// failure ends the connection when the handler returns.
	failure tcpip.Error

	timer timer
}

// need returns the state for a negotiation or a move, and makes it if there is none.
//
// +checklocks:e.mu
func (e *Endpoint) need() *migrationBusy {
	m := e.mig
	if m.busy == nil {
		m.busy = &migrationBusy{}
		m.busy.timer.init(e.stack.Clock(), timerHandler(e, e.migrationTimerExpired))
	}
	return m.busy
}

// path returns the tuple on trial, nil if there is none.
func (m *migration) path() *migrationPath {
	if m.busy == nil {
		return nil
	}
	return m.busy.path
}

// idle reports whether nothing of b is in use.
func (b *migrationBusy) idle() bool {
	return b.accept == nil && b.path == nil && b.drains == nil && !b.clamp.on && !b.clamp.peer &&
		b.failure == nil && !b.timer.enabled()
}

// update derives the bits that the data path looks at, and frees busy once that is
// not in use.
func (m *migration) update() {
	m.inspect = m.watching || m.acks
	m.shape = m.acks || m.proving || m.gated || m.held
	b := m.busy
	if b == nil {
		return
	}
	m.inspect = m.inspect || b.path != nil || b.drains != nil || b.clamp.on || b.clamp.peer
	m.shape = m.shape || b.clamp.on || b.clamp.limited()
	if b.idle() {
		b.timer.cleanup()
		m.busy = nil
	}
}

// SetMigrationHandler attaches a handler to an endpoint that has not been
// connected, or an acceptor to one that does not listen yet. It reports whether h
// was attached. If not, the endpoint stays as it was.
func (e *Endpoint) SetMigrationHandler(h any) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.EndpointState(); s != StateInitial && s != StateBound {
		return false
	}
	if a, ok := h.(migrationAcceptor); ok {
		e.mig = &migration{busy: &migrationBusy{accept: a}}
		return true
	}
	return e.setMigrationHandlerLocked(h)
}

// +checklocks:e.mu
func (e *Endpoint) setMigrationHandlerLocked(h any) bool {
	mh, ok := h.(migrationHandler)
	if !ok {
		return false
	}
	e.mig = &migration{h: mh}
	return true
}

// MigrationHandler returns the handler of the endpoint, or nil.
func (e *Endpoint) MigrationHandler() any {
	if e.mig == nil || e.mig.h == nil {
		return nil
	}
	return e.mig.h
}

// migrateOptions returns the options of a SYN for migrateAccept. They are copied:
// s.options may not outlive the next look at another header of the packet.
func (l *listenContext) migrateOptions(s *segment) []byte {
	if l.listenEP == nil || l.listenEP.mig == nil {
		return nil
	}
	return append([]byte(nil), s.options...)
}

// migrateAccept asks the acceptor of listener l about a SYN. It is not called for a
// connection that a SYN cookie opens, which stays plain TCP (M342).
//
// +checklocks:e.mu
func (e *Endpoint) migrateAccept(l *Endpoint, options []byte) {
	if l == nil || l.mig == nil || l.mig.h != nil {
		return
	}
	if h := l.mig.busy.accept.MigrationAccept(e, options); h != nil {
		e.setMigrationHandlerLocked(h)
	}
}

// migrateEstablished is called when s has completed the handshake.
//
// +checklocks:e.mu
func (e *Endpoint) migrateEstablished(h *handshake, s *segment) {
	m := e.mig
	if m == nil || m.h == nil {
		return
	}
	// A SYN that crossed ours is the only way for an active open to get here
	// without a SYN-ACK (RFC 9293, section 3.5, figure 7).
	simultaneous := h.active && !s.flags.Contains(header.TCPFlagSyn|header.TCPFlagAck)
	if !simultaneous && h.active {
		m.h.MigrationPeerSYN(s.options)
	}
	m.h.MigrationEstablished(migrationOpening{
		ISS: uint32(h.iss), IRS: uint32(h.ackNum - 1), Simultaneous: simultaneous,
	})
	if !h.active {
		e.migratePeerACK(s)
	}
}

// MigrationLock calls f with the endpoint locked, as a handler's method would
// be.
func (e *Endpoint) MigrationLock(f func()) {
	e.LockUser()
	f()
	failure := e.migrationFailureLocked()
	if failure != nil && e.EndpointState().connected() {
		e.resetConnectionLocked(failure)
	}
	e.UnlockUser()
	if failure != nil {
		e.drainClosingSegmentQueue()
		e.notifyAborted()
	}
}

// +checklocks:e.mu
func (e *Endpoint) migrationFailureLocked() tcpip.Error {
	if e.mig == nil || e.mig.busy == nil {
		return nil
	}
	err := e.mig.busy.failure
	e.mig.busy.failure = nil
	e.mig.update()
	return err
}

// MigrationTCB returns a part of the TCB, the zero value if it does not exist yet.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationTCB() (t migrationTCB) {
	if e.snd == nil || e.rcv == nil {
		return t
	}
	t.SndUna, t.SndNxt = uint32(e.snd.SndUna), uint32(e.snd.SndNxt)
	t.RcvNxt, t.RcvAcc = uint32(e.rcv.RcvNxt), uint32(e.rcv.RcvAcc)
	t.TSRecent = e.recentTimestamp()
	// Closing and LastAck are entered when a FIN is queued. Data before it may
	// still have to be sent.
	switch e.EndpointState() {
	case StateEstablished, StateFinWait1, StateFinWait2, StateCloseWait, StateClosing, StateLastAck:
		t.Movable = !e.mig.closed
	case StateTimeWait:
		t.TimeWait = true
	}
	e.snd.rtt.Lock()
	t.SRTT = e.snd.rtt.TCPRTTState.SRTT
	e.snd.rtt.Unlock()
	return t
}

// MigrationID returns the current tuple.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationID() stack.TransportEndpointID {
	return e.TransportEndpointInfo.ID
}

// MigrationWatch selects what the handler sees: with all, all segments; with acks,
// the options of segments without payload. It always sees the segments of other
// tuples than the current one. With proving, it appends options to all segments that are
// sent.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationWatch(all, acks, proving bool) {
	m := e.mig
	m.watching, m.acks = all, acks
	if m.proving != proving && !m.closed {
		m.proving = proving
		e.reserveProof(proving)
	}
	m.update()
}

// MigrationTimer calls the handler's MigrationTimerExpired after d, or never
// if d is negative. A later call replaces an earlier one.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationTimer(d time.Duration) {
	switch m := e.mig; {
	case m.closed:
	case d >= 0:
		e.need().timer.enable(d)
	case m.busy != nil:
		m.busy.timer.disable()
		m.update()
	}
}

// +checklocks:e.mu
func (e *Endpoint) migrationTimerExpired() tcpip.Error {
	m := e.mig
	if m.closed || m.busy == nil || !m.busy.timer.checkExpiration() {
		return nil
	}
	m.h.MigrationTimerExpired()
	if err := e.migrationFailureLocked(); err != nil {
		e.resetConnectionLocked(err)
		e.notifyAborted()
	}
	return nil
}

// MigrationAbort ends the connection with err once the handler has returned. No RST
// is sent if err is a reset or a time-out.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationAbort(err tcpip.Error) {
	if !e.mig.closed {
		e.need().failure = err
	}
}

// migrateCleanup releases all tuples except the current one.
//
// +checklocks:e.mu
func (e *Endpoint) migrateCleanup() {
	m := e.mig
	if m == nil || m.h == nil || m.closed {
		return
	}
	m.closed = true
	if m.fin != nil {
		m.fin.Stop()
	}
	e.MigrationDropPath()
	if b := m.busy; b != nil {
		for _, p := range b.drains {
			e.releasePath(p)
		}
		b.timer.cleanup()
		m.busy = nil
	}
	m.gated, m.held, m.watching, m.acks, m.proving = false, false, false, false, false
	m.update()
	m.h.MigrationClosed()
}
