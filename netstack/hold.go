// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/migrate"
)

// Hold has the connection held because this end has no path left. It does nothing if the
// configuration says that a connection without answers is not held, or if the stack's
// bounds on holds are reached.
func (m *Migration) Hold() {
	m.ep.MigrationLock(func() {
		m.holdOn(func(allowed bool) ([]migrate.Action, bool) {
			return m.machine.NoPath(m.now(), Error(&tcpip.ErrNetworkUnreachable{}), allowed, m.tcb()), false
		})
	})
}

// holdOn gives the machine an event on which the connection is held or closes. allowed
// says whether the stack has room for a hold. Caller holds the endpoint.
func (m *Migration) holdOn(event func(allowed bool) ([]migrate.Action, bool)) (closes bool) {
	held := m.machine.Holding()
	acts, closes := event(m.acquireHold())
	switch {
	case !m.machine.Holding():
		m.releaseHold()
	case !held:
		m.notify(EventHeld)
	}
	m.do(acts, gvisorSegment{})
	m.sync()
	return closes
}

// acquireHold reports whether the connection has one of the stack's holds, after it
// has tried to get one (M710).
func (m *Migration) acquireHold() bool {
	if m.held != 0 {
		return true
	}
	so := m.ep.SocketOptions()
	m.held = max(so.GetSendBufferSize()+so.GetReceiveBufferSize(), 1)
	n, size := m.migrator.holds.Add(1), m.migrator.holdBytes.Add(m.held)
	if n > int64(m.migrator.cfg.MaxHolds) || size > m.migrator.cfg.MaxHoldBytes {
		m.releaseHold()
		return false
	}
	return true
}

func (m *Migration) releaseHold() {
	if m.held != 0 {
		m.migrator.holds.Add(-1)
		m.migrator.holdBytes.Add(-m.held)
		m.held = 0
	}
}
