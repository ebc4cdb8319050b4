// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/migrate"
)

// handler is a Migration with the methods that gVisor calls. Unless a method says
// otherwise, gVisor calls it with the endpoint's mutex held. Each gives an event to the
// machine, carries out the actions and brings the endpoint in line with the machine.
type handler Migration

func (h *handler) migration() *Migration { return (*Migration)(h) }

// MigrationSYNOption appends Migrate-Permitted to a SYN or SYN-ACK.
func (h *handler) MigrationSYNOption(b []byte, room int) []byte {
	return h.machine.SYNOption(b, room)
}

// MigrationPeerSYN takes the peer's Migrate-Permitted.
func (h *handler) MigrationPeerSYN(options []byte) {
	h.machine.PeerSYN(options)
}

// MigrationEstablished begins the exchange of key halves.
func (h *handler) MigrationEstablished(o gvisorOpening) {
	m := h.migration()
	if o.Simultaneous { // M343
		m.machine.GivePlain(migrate.PlainSimultaneousOpen)
	}
	m.machine.Established(m.now(), o.ISS, o.IRS)
	m.sync()
}

// MigrationACKOption appends an option to a segment (M301, M546).
func (h *handler) MigrationACKOption(b []byte, room int, seq uint32) []byte {
	m := h.migration()
	b = m.machine.ACKOption(b, room, seq, m.tcb())
	m.sync()
	return b
}

// MigrationDataOption appends an option to a segment with payload (M546).
func (h *handler) MigrationDataOption(b []byte, room int) []byte {
	m := h.migration()
	return m.machine.DataOption(b, room, m.tcb())
}

// MigrationPeerACK takes the options of a segment without payload (M301).
func (h *handler) MigrationPeerACK(in gvisorSegment) (reply bool) {
	m := h.migration()
	reply = m.machine.PeerACK(m.now(), in.Seq, in.Options, m.tcb())
	m.sync()
	return reply
}

// MigrationSYN takes a request whose tag has been verified.
func (h *handler) MigrationSYN(in gvisorSegment) {
	m := h.migration()
	req, ok := migrate.ParseRequest(m.migrator.cfg.Format, in.Options)
	if !ok {
		return
	}
	owner, counter, ok := m.migrator.lookup(req.Token)
	if !ok || owner != m {
		// The token has been used up since the segment was queued.
		m.migrator.count(migrate.CountStaleRequest)
		return
	}
	mss := header.ParseSynOptions(in.Options, false).MSS
	m.do(m.machine.SYN(m.now(), tupleOf(in.ID), m.current(), req, counter, in.Seq, mss, m.tcb()), in)
	m.sync()
}

// MigrationProof takes a third ACK whose tag has been verified.
func (h *handler) MigrationProof(in gvisorSegment) (consumed bool) {
	m := h.migration()
	p, ok := migrate.ParseProof(m.migrator.cfg.Format, in.Options)
	if !ok {
		return true
	}
	owner, counter, ok := m.migrator.lookup(p.Token)
	switch {
	case ok && owner == m:
	case tupleOf(in.ID) == m.current():
		return false // another segment has completed the move meanwhile
	default:
		m.migrator.count(migrate.CountStaleRequest)
		return true
	}
	open := func() bool { return m.ep.MigrationAcceptPath(in) == nil }
	acts, consumed := m.machine.Proof(m.now(), segmentOf(in), m.current(), p, counter, m.tcb(), open)
	m.do(acts, in)
	m.sync()
	return consumed
}

// MigrationSegment takes a segment of the handshake.
func (h *handler) MigrationSegment(in gvisorSegment) (consumed bool) {
	m := h.migration()
	acts, consumed := m.machine.Segment(m.now(), segmentOf(in), m.current(), m.tcb())
	m.do(acts, in)
	m.sync()
	return consumed
}

func segmentOf(in gvisorSegment) migrate.Segment {
	return migrate.Segment{
		Tuple:   tupleOf(in.ID),
		Seq:     in.Seq,
		Ack:     in.Ack,
		SYN:     in.Flags.Contains(header.TCPFlagSyn),
		ACK:     in.Flags.Contains(header.TCPFlagAck),
		RST:     in.Flags.Contains(header.TCPFlagRst),
		Len:     in.Len,
		Window:  in.Window,
		Options: in.Options,
	}
}

// MigrationReset takes a RST in the window.
func (h *handler) MigrationReset(in gvisorSegment, err tcpip.Error) (closes bool) {
	m := h.migration()
	return m.holdOn(func(allowed bool) ([]migrate.Action, bool) {
		return m.machine.Reset(m.now(), in.Options, in.Seq, Error(err), allowed, m.tcb())
	})
}

// MigrationTimedOut takes TCP's decision to give up.
func (h *handler) MigrationTimedOut(err tcpip.Error) (closes bool) {
	m := h.migration()
	return m.holdOn(func(allowed bool) ([]migrate.Action, bool) {
		return m.machine.TimedOut(m.now(), Error(err), allowed, m.tcb())
	})
}

// MigrationUnanswered notes that the peer does not answer.
func (h *handler) MigrationUnanswered(heard tcpip.MonotonicTime) {
	h.migration().unanswered(heard)
}

// MigrationUnreachable takes an ICMP error about a segment of the current tuple. The
// endpoint's mutex is not held, or by a caller further up.
func (h *handler) MigrationUnreachable(seq uint32) {
	m := h.migration()
	if w := m.watch.Load(); w != nil {
		m.lookOnce(&w.doubted, func() {
			if m.tcb().MayQuote(seq) {
				m.notify(EventUnreachable)
			}
		})
	}
}

// MigrationPathUnreachable takes an ICMP error about a segment of another tuple, in
// the same way.
func (h *handler) MigrationPathUnreachable(id stack.TransportEndpointID, seq uint32) {
	m := h.migration()
	m.lookOnce(&m.doubted, func() {
		m.do(m.machine.Unreachable(tupleOf(id), seq), gvisorSegment{})
		m.sync()
	})
}

// MigrationAbortOption appends the proof that a RST is meant.
func (h *handler) MigrationAbortOption(b []byte, room int, seq uint32) []byte {
	return h.machine.AbortOption(b, room, seq)
}

// MigrationTimerExpired is the machine's clock.
func (h *handler) MigrationTimerExpired() {
	m := h.migration()
	m.do(m.machine.Timer(m.now(), m.tcb()), gvisorSegment{})
	m.sync()
}

// MigrationClosed ends the machine with the endpoint.
func (h *handler) MigrationClosed() {
	m := h.migration()
	for _, t := range m.machine.OldTuples() { // M627
		m.released(t)
	}
	m.machine.Closed()
	m.releaseHold()
	m.notify(EventClosed)
	m.sync()
}

// acceptor gives a handler to each connection of a listener.
type acceptor struct {
	migrator *migrator
	cfg      *migrate.Config
}

// MigrationAccept is called before the SYN-ACK of a new connection is sent. It returns
// nil for plain TCP. If that will not do, the connection gets a handler that resets it
// (M346).
func (a *acceptor) MigrationAccept(ep tcpip.Endpoint, options []byte) any {
	m, err := a.migrator.newMigration(migrate.Acceptor, ep, a.cfg)
	if err != nil {
		return nil
	}
	m.machine.PeerSYN(options)
	if m.machine.State() == migrate.Plain && a.cfg.Policy != migrate.Required {
		// Nothing to remember of a peer that does not know migration.
		return nil
	}
	return (*handler)(m)
}
