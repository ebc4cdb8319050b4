// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// hold is the state of a held connection (section 7).
type hold struct {
	until Time  // M709
	err   error // with which the connection ends then (M707)
}

// Holding reports whether the connection is held.
func (m *Machine) Holding() bool { return m.hold != nil }

// Reset takes a RST in the window on the current tuple, with the error that it stands for.
// One that is not at RCV.NXT (RFC 5961, section 3.2) counts only if it is meant. allowed
// is whether the stack has room for another hold (M710). Reset reports whether the connection closes (M701, M702).
func (m *Machine) Reset(now Time, opts []byte, seq uint32, err error, allowed bool, tcb TCB) (acts []Action, closes bool) {
	switch {
	case m.meant(opts, seq):
		return append(acts, count(CountAborted)), true
	case seq != tcb.RcvNxt: // M701
		return nil, false
	case m.state != Confirmed: // the peer cannot put the Abort tag on its RST yet
		return nil, true
	case m.hold != nil: // M705
		return append(acts, count(CountResetIgnored)), false
	}
	return m.beginHold(now, m.cfg.hold(), err, allowed && tcb.Movable, CountResetHeld)
}

// meant reports whether a RST with sequence number seq proves that the peer's
// application aborted (M702).
func (m *Machine) meant(opts []byte, seq uint32) bool {
	r, ok := ParseRequest(m.cfg.Format, opts)
	return ok && m.keys != nil && r.Tag == m.keys.abortTag(m.role.peer(), epoch(m.peerDone), seq)
}

// TimedOut takes TCP's decision to give up for want of acknowledgements (M708). err is
// the error that the connection would end with, and allowed is as for Reset. TimedOut
// reports whether the connection closes. In TIME-WAIT, where keep-alive asks a peer
// that is gone, it does (M712).
func (m *Machine) TimedOut(now Time, err error, allowed bool, tcb TCB) (acts []Action, closes bool) {
	switch {
	case m.keys == nil || m.cfg.HoldOnTimeout == 0 || !tcb.Movable:
		return nil, true
	case m.hold != nil:
		return nil, false
	}
	return m.beginHold(now, m.cfg.HoldOnTimeout, err, allowed, CountTimeoutHeld)
}

// NoPath takes the news that this end has no path left. The connection is held from now
// on, as when TCP gives up. err is the error that it ends with if no path appears in
// time. If it must not be held, nothing changes.
func (m *Machine) NoPath(now Time, err error, allowed bool, tcb TCB) []Action {
	if m.state != Confirmed || m.cfg.HoldOnTimeout == 0 || m.hold != nil || !tcb.Movable {
		return nil
	}
	acts, _ := m.beginHold(now, m.cfg.HoldOnTimeout, err, allowed, CountNoPathHeld)
	return acts
}

// beginHold holds the connection for d, unless that is refused. It reports whether the
// connection closes (M710, M711).
func (m *Machine) beginHold(now Time, d time.Duration, err error, allowed bool, why Counter) (acts []Action, closes bool) {
	if d < 0 || !allowed {
		return append(acts, count(CountHoldRefused)), true
	}
	m.hold = &hold{until: now.Add(d), err: err}
	return append(acts, count(why), Action{Kind: ActHold}), false
}

// AbortOption appends the Migrate option with the Abort tag for a RST with sequence
// number seq to b, if it fits into room bytes (M721). Its token is one that the peer
// knows even if the last request of this end was never completed (M722).
func (m *Machine) AbortOption(b []byte, room int, seq uint32) []byte {
	if m.keys == nil {
		return b
	}
	n := max(m.sent, m.done+1)
	r := Request{ReqNo: uint8(n), Token: m.keys.token(m.role, n), Tag: m.keys.abortTag(m.role, epoch(n), seq)}
	return m.cfg.Format.layout().appendRequest(b, r, room)
}
