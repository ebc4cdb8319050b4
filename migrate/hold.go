// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// hold is MIGRATE_WAIT, section 7.
type hold struct {
	until Time
	err   error
}

// Holding reports whether the connection is in MIGRATE_WAIT.
func (m *Machine) Holding() bool { return m.hold != nil }

// Reset takes a RST on the current tuple that TCP would accept (RFC 5961,
// section 3.2) with the error that it stands for. allowed says whether the
// stack has room for another hold. It reports whether the connection closes.
func (m *Machine) Reset(now Time, opts []byte, seq uint32, err error, allowed bool, tcb TCB) (acts []Action, closes bool) {
	// Before it has confirmed, the peer cannot mark the RST by which it aborts.
	if m.state != Confirmed {
		return nil, true
	}
	if m.meant(opts, seq) {
		return append(acts, count(CountAborted)), true
	}
	if m.hold != nil {
		return append(acts, count(CountResetIgnored)), false
	}
	return m.wait(now, m.cfg.hold(), err, allowed && tcb.Movable, CountResetHeld)
}

// meant reports whether a RST proves that the peer's application aborted.
func (m *Machine) meant(opts []byte, seq uint32) bool {
	r, ok := ParseRequest(m.cfg.Format, opts)
	return ok && r.Tag == m.keys.abortTag(m.role.peer(), seq)
}

// TimedOut takes TCP's decision to give up for want of acknowledgements. In TIME-WAIT,
// where keep-alive asks a peer that is gone, there is nothing to wait for.
func (m *Machine) TimedOut(now Time, err error, allowed bool, tcb TCB) (acts []Action, closes bool) {
	switch {
	case m.keys == nil || m.cfg.HoldOnTimeout == 0 || !tcb.Movable:
		return nil, true
	case m.hold != nil:
		return nil, false
	}
	return m.wait(now, m.cfg.HoldOnTimeout, err, allowed, CountTimeoutHeld)
}

// Suspend takes the news that this end has no path left: the connection waits as
// it would where TCP gives up, but from now on. err is what it ends with if none
// appears in time. If it must not wait, everything stays as it is.
func (m *Machine) Suspend(now Time, err error, allowed bool, tcb TCB) []Action {
	if m.state != Confirmed || m.cfg.HoldOnTimeout == 0 || m.hold != nil || !tcb.Movable {
		return nil
	}
	acts, _ := m.wait(now, m.cfg.HoldOnTimeout, err, allowed, CountSuspended)
	return acts
}

func (m *Machine) wait(now Time, d time.Duration, err error, allowed bool, why Counter) (acts []Action, closes bool) {
	if d < 0 || !allowed {
		return append(acts, count(CountHoldRefused)), true
	}
	m.hold = &hold{until: now.Add(d), err: err}
	return append(acts, count(why), Action{Kind: ActHold, On: true}), false
}

// AbortOption appends the proof that the RST with sequence number seq is meant,
// if it fits into room bytes.
func (m *Machine) AbortOption(b []byte, room int, seq uint32) []byte {
	if m.keys == nil {
		return b
	}
	return m.cfg.Format.layout().appendRequest(b, Request{Tag: m.keys.abortTag(m.role, seq)}, room)
}
