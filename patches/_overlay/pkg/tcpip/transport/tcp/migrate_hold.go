// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import "gvisor.dev/gvisor/pkg/tcpip"

// MigrationGate stops or allows output on the current tuple.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationGate(on bool) {
	e.mig.gated = on
	e.mig.update()
}

// MigrationHold holds the connection: segments are received, nothing is sent, no timer
// of the connection runs (M703, M704). MigrationRebind ends the hold.
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

// migrateAborts reports whether s, a RST in the window, proves that the peer's application
// aborted (M722).
//
// +checklocks:e.mu
func (e *Endpoint) migrateAborts(s *segment) bool {
	m := e.mig
	return m != nil && m.h != nil && !m.closed && m.h.MigrationReset(e.arrived(s), &tcpip.ErrConnectionReset{})
}

// migrateReset reports whether the handler keeps the connection although s is an
// acceptable RST. If s is not at RCV.NXT, migrateAborts has said so.
//
// +checklocks:e.mu
func (e *Endpoint) migrateReset(s *segment) bool {
	m := e.mig
	if m == nil || m.h == nil || m.closed || s.sequenceNumber != e.rcv.RcvNxt {
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
