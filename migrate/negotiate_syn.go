// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "bytes"

// SYNOption appends Migrate-Permitted for the SYN or SYN-ACK to b. If it does not fit
// into room bytes, the connection is plain. Repetitions beyond maxOffers go without the
// option (M331). The negotiation goes on all the same, as the peer may have an earlier
// one (M333).
func (m *Machine) SYNOption(b []byte, room int) []byte {
	n := m.neg
	if n == nil || (m.role == Acceptor && !n.permit) || (n.offers == maxOffers && m.mayWithdraw()) {
		return b
	}
	n.offers++
	l := m.cfg.Format.layout()
	size := l.nPlain
	if m.suite.hasKey() {
		size = l.nPermit
	}
	b, content := l.appendOption(b, optPermitted, size, room)
	if content == nil {
		m.GivePlain(PlainNoRoom)
		return b
	}
	content[0] = byte(m.suite)
	if m.suite.hasKey() {
		copy(content[1:], n.own.public[:l.synKey])
	}
	return b
}

// mayWithdraw reports whether a repeated SYN or SYN-ACK may go without the option. The
// opener may, as it goes by the SYN-ACK that it gets (M334). The acceptor does not know
// which of its SYN-ACKs the opener got: only an exchange of keys tells (M332).
func (m *Machine) mayWithdraw() bool {
	return m.cfg.Policy != Required && (m.role == Opener || m.suite.hasKey())
}

// PeerSYN takes the options of the peer's SYN or SYN-ACK. The acceptor goes by the
// first SYN (M335).
func (m *Machine) PeerSYN(opts []byte) {
	if m.state != Offered || (m.role == Acceptor && m.neg != nil) {
		return
	}
	l := m.cfg.Format.layout()
	p, ok := l.parsePermitted(opts)
	if !ok { // M341
		m.GivePlain(PlainNotOffered)
		return
	}
	if m.role == Acceptor {
		if !m.allows(p.suite) { // M202
			m.GivePlain(PlainSuite)
			return
		}
		if err := m.offer(p.suite); err != nil {
			m.GivePlain(PlainNotOffered)
			return
		}
	}
	switch {
	case p.suite != m.suite: // M203
		m.GivePlain(PlainSuite)
	case m.suite.hasKey() && bytes.Equal(p.key, m.neg.own.public[:l.synKey]): // M232
		m.GivePlain(PlainMirrored)
	default:
		m.neg.permit = true
		copy(m.neg.peer.public[:], p.key)
	}
}

func (m *Machine) allows(s SuiteID) bool {
	for _, a := range m.cfg.suites() {
		if a == s {
			return true
		}
	}
	return false
}
