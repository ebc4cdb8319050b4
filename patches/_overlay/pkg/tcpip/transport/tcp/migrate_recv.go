// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// DeliverMigrationSYN queues a SYN that names this connection by its token. It may
// come from any tuple. It reports whether the packet was well-formed. It does not take
// the endpoint's mutex, because the NIC calls it.
//
// +checklocksexclude:e.segmentQueue.mu
// +checklocksexclude:e.pendingProcessingMu
func (e *Endpoint) DeliverMigrationSYN(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
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
	if m.h == nil || m.closed || !(m.inspect || s.migrate) {
		return s.migrate, nil
	}
	e.need().seg = s
	done, err = e.migrateInspect(s)
	if m.busy != nil {
		m.busy.seg = nil
		m.update()
	}
	switch {
	case err != nil:
		return true, err
	case m.closed:
		return true, nil
	default:
		return done, e.migrationFailureLocked()
	}
}

// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) migrateInspect(s *segment) (bool, tcpip.Error) {
	m := e.mig
	if s.migrate {
		m.h.MigrationSYN(s.id, uint32(s.sequenceNumber), s.options)
		return true, nil
	}
	current := s.id == e.TransportEndpointInfo.ID
	if !current || m.watching {
		window := uint32(s.window)
		if !s.flags.Contains(header.TCPFlagSyn) {
			window <<= e.snd.SndWndScale
		}
		if m.h.MigrationSegment(s.id, s.flags, uint32(s.sequenceNumber), uint32(s.ackNumber), uint32(s.logicalLen()), window, s.options) {
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
	c := &m.busy.clamp
	if c.on && s.flags&(header.TCPFlagSyn|header.TCPFlagRst) == 0 {
		e.clampReceived(s)
	}
	if c.peer {
		e.clampPeer(s)
	}
	return false, nil
}
