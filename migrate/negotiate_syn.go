// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "bytes"

// SYNOption appends Migrate-Permitted for the SYN or SYN-ACK to b, if it fits
// into room bytes. Repetitions beyond maxOffers go without; the negotiation goes
// on all the same, for the peer may have an earlier one.
func (c *Conn) SYNOption(b []byte, room int) []byte {
	n := c.neg
	if n == nil || (c.role == Acceptor && !n.permit) || (n.offers == maxOffers && c.mayWithdraw()) {
		return b
	}
	n.offers++
	l := c.cfg.Format.layout()
	size := l.nPlain
	if c.suite.hasKey() {
		size = l.nPermit
	}
	b, content := l.appendOption(b, optPermitted, size, room)
	if content == nil {
		c.GivePlain(PlainNoRoom)
		return b
	}
	content[0] = byte(c.suite)
	if c.suite.hasKey() {
		copy(content[1:], n.key.PublicKey().Bytes()[:l.synKey])
	}
	return b
}

// mayWithdraw reports whether a repeated SYN or SYN-ACK may go without the
// option. The opener goes by the SYN-ACK that it gets, so it may. The acceptor does
// not know which of its SYN-ACKs the opener got: only an exchange of keys tells.
func (c *Conn) mayWithdraw() bool {
	return c.cfg.Policy != Required && (c.role == Opener || c.suite.hasKey())
}

// PeerSYN takes the options of the peer's SYN or SYN-ACK. The acceptor goes by
// the first SYN: another is a repetition, with the option or without.
func (c *Conn) PeerSYN(opts []byte) {
	if c.state != Offered || (c.role == Acceptor && c.neg != nil) {
		return
	}
	l := c.cfg.Format.layout()
	p, ok := l.parsePermitted(opts)
	if !ok {
		c.GivePlain(PlainNotOffered)
		return
	}
	if c.role == Acceptor {
		if !c.allows(p.suite) {
			c.GivePlain(PlainSuite)
			return
		}
		if err := c.offer(p.suite); err != nil {
			c.GivePlain(PlainNotOffered)
			return
		}
	}
	switch {
	case p.suite != c.suite:
		c.GivePlain(PlainSuite)
	case c.suite.hasKey() && bytes.Equal(p.key, c.neg.key.PublicKey().Bytes()[:l.synKey]):
		c.GivePlain(PlainMirrored)
	default:
		c.neg.permit = true
		copy(c.neg.peerKey[:], p.key)
	}
}

func (c *Conn) allows(s SuiteID) bool {
	for _, a := range c.cfg.suites() {
		if a == s {
			return true
		}
	}
	return false
}
