// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// DeliverMigration queues a SYN, an ACK or a RST that names this connection by its
// token. It may come from any tuple. It reports whether the packet was well-formed. It
// does not take the endpoint's mutex, because the NIC calls it.
//
// +checklocksexclude:e.segmentQueue.mu
// +checklocksexclude:e.pendingProcessingMu
func (e *Endpoint) DeliverMigration(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	s, err := newIncomingSegment(id, e.stack.Clock(), pkt)
	if err != nil {
		e.stack.Stats().TCP.InvalidSegmentsReceived.Increment()
		return false
	}
	defer s.DecRef()
	if !s.csumValid {
		e.stack.Stats().TCP.ChecksumErrors.Increment()
		return false
	}
	s.migrate = true
	e.stack.Stats().TCP.ValidSegmentsReceived.Increment()
	if e.enqueueSegment(s) && !e.isOwnedByUser() {
		e.protocol.dispatcher.selectProcessor(id).queueEndpoint(e)
	}
	return true
}

// migrateSegment handles a segment before TCP does. It reports whether TCP has nothing
// left to do with it.
//
// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) migrateSegment(s *segment) (done bool, err tcpip.Error) {
	if e.mig == nil { // inlined where segments are received
		return false, nil
	}
	return e.migrateArrival(s)
}

// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) migrateArrival(s *segment) (done bool, err tcpip.Error) {
	m := e.mig
	// A segment may have been queued on a tuple that the segment in front of it has
	// ended. It is not TCP's: a RST there would count as one on the current tuple.
	other := e.migrateLeft(s)
	if m.h == nil || m.closed || !(m.inspect || s.migrate || other) {
		return s.migrate, nil
	}
	done, err = e.migrateInspect(s)
	switch {
	case err != nil:
		return true, err
	case m.closed:
		return true, nil
	default:
		// A move tells what has arrived at the peer (M731). The FIN may be the last of it.
		e.handleAckedFIN()
		return done || e.EndpointState() == StateClose, e.migrationFailureLocked()
	}
}

// migrateTimeWait is migrateSegment in TIME-WAIT (M732). It reports whether TCP has nothing
// left to do with s. The connection is over, whatever s proves. And what names it by a
// token, or came on a tuple that it has left, must not open another.
//
// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) migrateTimeWait(s *segment) (done bool) {
	done, err := e.migrateSegment(s)
	return done || err != nil
}

// migrateLeft reports whether s came on a tuple that was released while s was queued. It is
// nobody's then.
//
// +checklocks:e.mu
func (e *Endpoint) migrateLeft(s *segment) bool {
	return e.mig != nil && e.mig.h != nil && s.id != e.TransportEndpointInfo.ID
}

// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) migrateInspect(s *segment) (bool, tcpip.Error) {
	m := e.mig
	switch {
	case !s.migrate:
	case s.flags.Contains(header.TCPFlagSyn):
		m.h.MigrationSYN(e.arrived(s))
		return true, nil
	case s.flags.Contains(header.TCPFlagRst):
		// Not the handshake's: it takes the way of any RST.
	case m.h.MigrationProof(e.arrived(s)) || s.id != e.TransportEndpointInfo.ID:
		return true, nil
	}
	current := s.id == e.TransportEndpointInfo.ID
	if !current || m.watching {
		if m.h.MigrationSegment(e.arrived(s)) {
			return true, nil
		}
		// The handler may have moved the connection to this segment's tuple.
		current = s.id == e.TransportEndpointInfo.ID
	}
	if !current {
		return true, e.migrateLate(s)
	}
	if m.acks && s.payloadSize() == 0 {
		e.migratePeerACK(s)
	}
	if m.clamp() != nil && s.flags&(header.TCPFlagSyn|header.TCPFlagRst) == 0 {
		e.clampReceived(s.sequenceNumber.Add(s.logicalLen()), s.payloadSize() == 0)
	}
	if m.busy != nil && m.busy.clamp.peer {
		e.clampPeer(s)
	}
	if c := m.clamp(); c != nil && s.flags.Contains(header.TCPFlagRst) && s.sequenceNumber == c.highest && c.highest.LessThan(e.rcv.RcvNxt) {
		// A host without the connection takes the number from our ACK field (M734).
		s.sequenceNumber = e.rcv.RcvNxt
	}
	return false, nil
}

// arrived describes a segment to the handler.
//
// +checklocks:e.mu
func (e *Endpoint) arrived(s *segment) migrationSegment {
	window := s.window
	if e.snd != nil && !s.flags.Contains(header.TCPFlagSyn) {
		window <<= e.snd.SndWndScale
	}
	return migrationSegment{
		ID:       s.id,
		NIC:      s.pkt.NICID,
		Received: s.rcvdTime,
		Flags:    s.flags,
		Seq:      uint32(s.sequenceNumber),
		Ack:      uint32(s.ackNumber),
		Len:      uint32(s.logicalLen()),
		Window:   uint32(window),
		Options:  s.options,
	}
}
