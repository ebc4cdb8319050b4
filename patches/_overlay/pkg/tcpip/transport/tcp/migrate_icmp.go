// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"encoding/binary"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// tupleBox holds a tuple for readers without the endpoint's mutex.
type tupleBox struct {
	p atomic.Pointer[stack.TransportEndpointID]
}

func (b *tupleBox) store(id stack.TransportEndpointID) {
	b.p.Store(&id)
}

// load returns false if no tuple was stored: the connection has had one tuple only.
func (b *tupleBox) load() (id stack.TransportEndpointID, ok bool) {
	p := b.p.Load()
	if p == nil {
		return id, false
	}
	return *p, true
}

// IgnoresErrorFor reports whether an ICMP error about tuple id is not about the current
// tuple. The connection has left that tuple, or only tries it. A Packet Too Big from an
// old path would shrink the MSS of the new one. The handler learns that a tuple on
// trial cannot be reached.
func (e *Endpoint) IgnoresErrorFor(id stack.TransportEndpointID, transErr stack.TransportError, pkt *stack.PacketBuffer) bool {
	if e.mig == nil {
		return false
	}
	current, ok := e.mig.current.load()
	if !ok || current == id {
		return false
	}
	e.migratePathUnreachable(id, transErr, pkt)
	return true
}

// errorTuple returns the current tuple for reports of ICMP errors. These arrive without
// the endpoint's mutex.
func (e *Endpoint) errorTuple() stack.TransportEndpointID {
	if e.mig != nil {
		if id, ok := e.mig.current.load(); ok {
			return id
		}
	}
	return e.TransportEndpointInfo.ID
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
