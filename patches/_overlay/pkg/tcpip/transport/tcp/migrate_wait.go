// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// MigrationGate stops or allows output on the current tuple.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationGate(on bool) {
	e.mig.gated = on
	e.mig.update()
}

// MigrationHold enters MIGRATE_WAIT: segments are received, nothing is sent, no timer
// of the connection runs (M703, M704). MigrationRebind ends that.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationHold() {
	e.mig.held = true
	e.mig.update()
}

// silent reports whether nothing may be sent on the current tuple (M703). Timers that
// expire meanwhile do nothing (M704). MigrationPush starts them anew.
func (m *migration) silent() bool {
	return m != nil && (m.gated || m.held)
}

// migrateReset reports whether the handler keeps the connection although s is an
// acceptable RST.
//
// +checklocks:e.mu
func (e *Endpoint) migrateReset(s *segment) bool {
	m := e.mig
	if m == nil || m.h == nil || m.closed {
		return false
	}
	var err tcpip.Error = &tcpip.ErrConnectionReset{}
	if e.EndpointState() == StateCloseWait {
		err = &tcpip.ErrAborted{}
	}
	return !m.h.MigrationReset(e.arrived(s), err)
}

// migrateTimedOut reports whether the handler keeps the connection although it has
// failed with err, a time-out.
//
// +checklocks:e.mu
func (e *Endpoint) migrateTimedOut(err tcpip.Error) bool {
	m := e.mig
	if m == nil || m.h == nil || m.closed || !e.EndpointState().connected() {
		return false
	}
	if _, ok := err.(*tcpip.ErrTimeout); !ok {
		return false
	}
	return !m.h.MigrationTimedOut(err)
}

// migrateUnanswered tells the handler that the peer does not answer.
//
// +checklocks:e.mu
func (e *Endpoint) migrateUnanswered() {
	if m := e.mig; m != nil && m.h != nil && !m.closed {
		m.h.MigrationUnanswered(e.rcv.lastRcvdAckTime)
	}
}

// migrateUnreachable tells the handler about an ICMP error for the current tuple.
func (e *Endpoint) migrateUnreachable(pkt *stack.PacketBuffer) {
	if seq, ok := quotedSequence(pkt); ok {
		if h, ok := e.MigrationHandler().(migrationHandler); ok {
			h.MigrationUnreachable(seq)
		}
	}
}

// migratePathUnreachable tells the handler about an ICMP error for another tuple than
// the current one.
func (e *Endpoint) migratePathUnreachable(id stack.TransportEndpointID, transErr stack.TransportError, pkt *stack.PacketBuffer) {
	switch transErr.Kind() {
	case stack.DestinationHostUnreachableTransportError, stack.DestinationNetworkUnreachableTransportError,
		stack.DestinationPortUnreachableTransportError:
	default:
		return
	}
	if seq, ok := quotedSequence(pkt); ok {
		if h, ok := e.MigrationHandler().(migrationHandler); ok {
			h.MigrationPathUnreachable(id, seq)
		}
	}
}

// quotedSequence returns the sequence number of the segment that an ICMP error quotes.
// An error quotes at least eight bytes of the segment (RFC 792).
func quotedSequence(pkt *stack.PacketBuffer) (seq uint32, ok bool) {
	quoted, ok := pkt.Data().PullUp(header.TCPSeqNumOffset + 4)
	if !ok {
		return 0, false
	}
	return binary.BigEndian.Uint32(quoted[header.TCPSeqNumOffset:]), true
}

// MigrationHeard returns the time of the peer's last acceptable segment with an ACK.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationHeard() tcpip.MonotonicTime {
	if e.rcv == nil {
		return tcpip.MonotonicTime{}
	}
	return e.rcv.lastRcvdAckTime
}
