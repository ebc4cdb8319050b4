// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"sync/atomic"

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
