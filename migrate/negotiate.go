// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"bytes"
	"crypto/ecdh"
	"encoding/binary"
	"time"
)

// NegotiationState is how far the exchange of keys has come, section 7.
type NegotiationState uint8

// States of the negotiation.
const (
	Offered   NegotiationState = iota // SYN or SYN-ACK not answered yet
	Keying                            // connection established, key halves missing
	Ready                             // requests of the peer are accepted
	Confirmed                         // this end may initiate
	Plain                             // plain TCP, for good
)

var negotiationStates = [...]string{"offered", "keying", "ready", "confirmed", "plain"}

func (s NegotiationState) String() string { return negotiationStates[s] }

const (
	// firstFollowUp and maxFollowUp bound the interval of key halves that are
	// repeated by the timer.
	firstFollowUp = 100 * time.Millisecond
	maxFollowUp   = 2 * time.Second

	// lingerTime is how long an opener that has confirmed goes on answering
	// an acceptor whose confirmation is missing.
	lingerTime = 10 * time.Second
)

// negotiation is what a connection needs until both ends have confirmed.
type negotiation struct {
	key      *ecdh.PrivateKey // nil for suites without
	peerKey  [keySize]byte
	permit   bool // the peer's Migrate-Permitted has come
	rest     bool // the peer's Key-Rest has come
	iss, irs uint32

	confirm, expect uint64 // tags of both ends, from Ready on

	rounds   int // of the timer
	replies  int
	interval time.Duration
	next     Time
}

// SYNOption appends Migrate-Permitted for the SYN or SYN-ACK to b, if it fits
// into room bytes.
func (c *Conn) SYNOption(b []byte, room int) []byte {
	if c.neg == nil || (c.role == Acceptor && !c.neg.permit) {
		return b
	}
	l := c.cfg.Format.layout()
	n := l.nPlain
	if c.suite.hasKey() {
		n = l.nPermit
	}
	b, content := l.appendOption(b, optPermitted, n, room)
	if content == nil {
		c.GivePlain(PlainNoRoom)
		return b
	}
	content[0] = byte(c.suite)
	if c.suite.hasKey() {
		copy(content[1:], c.neg.key.PublicKey().Bytes()[:l.synKey])
	}
	return b
}

// PeerSYN takes the options of the peer's SYN or SYN-ACK.
func (c *Conn) PeerSYN(opts []byte) {
	if c.state != Offered {
		return
	}
	l := c.cfg.Format.layout()
	p, ok := l.parsePermitted(opts)
	if !ok {
		c.GivePlain(PlainNotOffered)
		return
	}
	if c.role == Acceptor {
		if c.neg != nil {
			return
		}
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

// Established tells that the connection is, and both initial sequence numbers.
func (c *Conn) Established(now Time, iss, irs uint32) {
	if c.state != Offered {
		return
	}
	if c.neg == nil || !c.neg.permit {
		c.GivePlain(PlainNotOffered)
		return
	}
	c.state = Keying
	c.neg.iss, c.neg.irs = iss, irs
	c.neg.interval = firstFollowUp
	c.neg.next = now.Add(firstFollowUp)
	if !c.suite.hasKey() {
		c.compute()
		c.state, c.neg = Confirmed, nil
	}
}

// GivePlain ends the negotiation: the connection stays plain TCP.
func (c *Conn) GivePlain(r PlainReason) {
	if c.state == Plain {
		return
	}
	c.state, c.reason = Plain, r
	c.tokensChanged = c.tokensChanged || c.keys != nil
	c.neg, c.keys, c.rand = nil, nil, nil
}

// compute derives the keys when both halves are there.
func (c *Conn) compute() {
	n := c.neg
	var z, own []byte
	if c.suite.hasKey() {
		own = n.key.PublicKey().Bytes()
		if bytes.Equal(own, n.peerKey[:]) {
			c.GivePlain(PlainMirrored)
			return
		}
		peer, err := ecdh.X25519().NewPublicKey(n.peerKey[:])
		if err == nil {
			// An all-zero secret is an error (RFC 7748, section 6.1).
			z, err = n.key.ECDH(peer)
		}
		if err != nil {
			c.GivePlain(PlainWeakKey)
			return
		}
	}
	k, err := newKeys(c.suite, c.role, z, own, n.peerKey[:], n.iss, n.irs)
	if err != nil {
		c.GivePlain(PlainWeakKey)
		return
	}
	c.keys, c.state, c.tokensChanged = k, Ready, true
	n.confirm, n.expect = k.confirmTag(c.role), k.confirmTag(c.role.peer())
}

// WantsACKs reports whether ACKOption and PeerACK have anything to do.
func (c *Conn) WantsACKs() bool {
	return (c.neg != nil && c.state >= Keying) || (c.att != nil && c.att.moved)
}

// ACKOption appends to the options of a segment without payload what fits into
// room bytes: Migrate until the peer shows that a migration is complete, or
// Key-Rest and Key-Confirm until the peer has them.
func (c *Conn) ACKOption(b []byte, room int, tcb TCB) []byte {
	if c.att != nil && c.att.moved {
		// Suites that hash the sequence number need the one of this segment.
		return c.cfg.Format.layout().appendRequest(b, c.proof(tcb.SndNxt, tcb), room)
	}
	n := c.neg
	if n == nil || c.state < Keying {
		return b
	}
	l := c.cfg.Format.layout()
	start := len(b)
	if c.state != Confirmed {
		var content []byte
		if b, content = l.appendOption(b, optPermitted, l.nRest, room); content != nil {
			copy(content[1:], n.key.PublicKey().Bytes()[l.synKey:])
		}
	}
	if c.state >= Ready {
		var content []byte
		if b, content = l.appendOption(b, optPermitted, l.nConfirm, room-(len(b)-start)); content != nil {
			binary.BigEndian.PutUint64(content, n.confirm)
		}
	}
	return b
}

// PeerACK takes the options of a segment without payload. It reports whether a
// segment without payload is to be sent in answer.
func (c *Conn) PeerACK(now Time, opts []byte) (reply bool) {
	n := c.neg
	if n == nil || c.state < Keying || c.state == Plain {
		return false
	}
	l := c.cfg.Format.layout()
	rest := l.find(opts, optPermitted, l.nRest)
	confirm := l.find(opts, optPermitted, l.nConfirm)
	if rest == nil && confirm == nil {
		return false
	}
	if rest != nil && !c.takeRest(rest[1:]) {
		return false
	}
	if confirm != nil && c.state >= Ready && !c.takeConfirm(now, binary.BigEndian.Uint64(confirm)) {
		return false
	}
	// An acceptor that has the opener's confirmation is done; whoever sends
	// Key-Rest still lacks something of ours.
	if c.neg == nil || rest == nil || n.replies >= maxFollowUps {
		return false
	}
	n.replies++
	return true
}

func (c *Conn) takeRest(rest []byte) bool {
	n := c.neg
	at := n.peerKey[c.cfg.Format.layout().synKey:]
	if n.rest {
		if !bytes.Equal(at, rest) {
			c.GivePlain(PlainInconsistent)
			return false
		}
		return true
	}
	n.rest = true
	copy(at, rest)
	c.compute()
	return c.state != Plain
}

func (c *Conn) takeConfirm(now Time, tag uint64) bool {
	if tag != c.neg.expect {
		c.GivePlain(PlainUnconfirmed)
		return false
	}
	if c.state == Confirmed {
		return true
	}
	c.state = Confirmed
	if c.role == Acceptor {
		// The opener confirms only after it has ours.
		c.neg = nil
		return true
	}
	c.neg.next = now.Add(lingerTime)
	return true
}

// followUp repeats key halves, or gives up.
func (c *Conn) followUp(acts []Action, now Time) []Action {
	n := c.neg
	if c.state == Confirmed {
		c.neg = nil
		return acts
	}
	if n.rounds == maxFollowUps {
		c.GivePlain(PlainNoAnswer)
		return acts
	}
	n.rounds++
	n.interval = min(2*n.interval, maxFollowUp)
	n.next = now.Add(n.interval)
	return append(acts, Action{Kind: ActAnswer})
}
