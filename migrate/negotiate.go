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

	// minReplyInterval keeps a burst of segments with key halves, of which
	// all but the first tell nothing new, from using up the replies.
	minReplyInterval = 100 * time.Millisecond

	// lingerTime is how long an end that has confirmed goes on answering a
	// peer that has perhaps not.
	lingerTime = 10 * time.Second
)

// negotiation is what a connection needs until both ends have confirmed.
type negotiation struct {
	key      *ecdh.PrivateKey // nil for suites without
	peerKey  [keySize]byte
	permit   bool // the peer's Migrate-Permitted has come
	rest     bool // the peer's Key-Rest has come
	iss, irs uint32

	// keys are those that Key-Confirm is made with, whatever is bound later.
	// Nil before Ready.
	keys *keys

	// turn: Key-Confirm is next where there is no room for both options.
	turn   bool
	answer bool // the peer lacks our Key-Confirm

	offers  int  // SYNs or SYN-ACKs with the option
	keyACKs int  // segments with key halves
	due     bool // the next ACK is sent for them alone

	rounds   int // of the timer
	replies  int
	quiet    Time // replies that nothing new calls for wait until then
	interval time.Duration
	next     Time
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

// GivePlain ends the negotiation: the connection stays plain TCP. A migration
// that is under way ends without a word.
func (c *Conn) GivePlain(r PlainReason) {
	if c.state == Plain {
		return
	}
	c.state, c.reason = Plain, r
	c.tokensChanged = c.tokensChanged || c.keys != nil
	c.neg, c.keys, c.rand = nil, nil, nil
	c.att, c.prov, c.finished = nil, nil, nil
}

// compute derives the keys when both halves are there.
func (c *Conn) compute() {
	n := c.neg
	var z, own []byte
	if c.suite.hasKey() {
		own = n.key.PublicKey().Bytes()
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
	n.keys = k
	c.keys, c.state, c.tokensChanged = k, Ready, true
}

// WantsACKs reports whether ACKOption and PeerACK have anything to do.
func (c *Conn) WantsACKs() bool {
	return (c.neg != nil && c.state >= Keying) || (c.att != nil && c.att.moved) || c.finished != nil
}

// ACKOption appends to the options of a segment without payload what fits into
// room bytes: Migrate until the peer shows that a migration is complete, or
// Key-Rest and Key-Confirm until the peer has them.
func (c *Conn) ACKOption(b []byte, room int, tcb TCB) []byte {
	if c.att != nil && c.att.moved {
		// Suites that hash the sequence number need the one of this segment.
		return c.cfg.Format.layout().appendRequest(b, c.proof(tcb.SndNxt, tcb), room)
	}
	if f := c.finished; f != nil && f.answer {
		size := len(b)
		b = c.cfg.Format.layout().appendRequest(b, c.receipt(tcb), room)
		f.answer = len(b) == size
		return b
	}
	if c.neg == nil || c.state < Keying {
		return b
	}
	return c.appendKeyOptions(b, room)
}

// appendKeyOptions appends Key-Rest until this end has confirmed, for only then
// it knows that the peer has it, and Key-Confirm as soon as there is one; once
// confirmed, only in answer to a peer that lacks it. After maxKeyACKs only the
// timer's own ACKs and answers carry them: TCP can do without.
func (c *Conn) appendKeyOptions(b []byte, room int) []byte {
	n, l := c.neg, c.cfg.Format.layout()
	if n.keyACKs >= maxKeyACKs && !n.due {
		return b
	}
	n.due = false
	rest := c.state != Confirmed
	confirm := c.state == Ready || n.answer
	if rest && confirm && room < 2*l.header+l.nRest+l.nConfirm {
		rest, confirm = !n.turn, n.turn
		n.turn = !n.turn
	}
	start := len(b)
	var content []byte
	if rest {
		if b, content = l.appendOption(b, optPermitted, l.nRest, room); content != nil {
			copy(content[1:], n.key.PublicKey().Bytes()[l.synKey:])
			n.turn = true
		}
	}
	if confirm {
		if b, content = l.appendOption(b, optPermitted, l.nConfirm, room-(len(b)-start)); content != nil {
			binary.BigEndian.PutUint64(content, n.keys.confirmTag(c.role, c.state == Confirmed))
			n.answer = false
		}
	}
	if len(b) > start {
		n.keyACKs++
	}
	return b
}

// PeerACK takes the options and the sequence number of a segment without
// payload. It reports whether a segment without payload is to be sent in
// answer.
//
// Key-Rest proves nothing, and one that is wrong ends the negotiation. So, as RFC
// 5961 (section 3.2) has it for RSTs, key options count at RCV.NXT only: whoever
// knows the tuple but does not see the segments cannot tell where that is. An ACK
// that overtakes data, or is overtaken, is made up for by the timer.
func (c *Conn) PeerACK(now Time, seq uint32, opts []byte, tcb TCB) (reply bool) {
	if f := c.finished; f != nil {
		if r, ok := ParseRequest(c.cfg.Format, opts); ok && f.keys.provenACK(r, f.counter, f.nonce, seq) {
			owed := f.answer // for want of room so far: no use to try at once
			f.answer = true
			return !owed
		}
	}
	n := c.neg
	if n == nil || c.state < Keying || seq != tcb.RcvNxt {
		return false
	}
	l := c.cfg.Format.layout()
	before := c.state
	rest := l.find(opts, optPermitted, l.nRest)
	if rest != nil && !c.takeRest(rest[1:]) {
		return false
	}
	lacks := rest != nil
	if tag := l.find(opts, optPermitted, l.nConfirm); tag != nil && c.state >= Ready {
		done, ok := c.takeConfirm(now, binary.BigEndian.Uint64(tag))
		if done || !ok {
			return false
		}
		lacks = true
	}
	if !lacks {
		return false
	}
	n.answer = true
	if n.replies == maxFollowUps || (c.state == before && now < n.quiet) {
		return false
	}
	n.replies++
	n.due = true
	n.quiet = now.Add(minReplyInterval)
	return true
}

// takeRest takes the second part of the peer's key. It returns false if the
// segment tells nothing more.
func (c *Conn) takeRest(rest []byte) bool {
	n := c.neg
	at := n.peerKey[c.cfg.Format.layout().synKey:]
	switch {
	case !n.rest:
		n.rest = true
		copy(at, rest)
		c.compute()
		return c.state != Plain
	case bytes.Equal(at, rest):
		return true
	case c.state != Confirmed:
		// A peer that has confirmed has the key that we have: nothing later
		// casts a doubt on that.
		c.GivePlain(PlainInconsistent)
	}
	return false
}

// takeConfirm takes the peer's Key-Confirm. done reports that neither end lacks
// anything, ok that the tag is one of the peer's.
func (c *Conn) takeConfirm(now Time, tag uint64) (done, ok bool) {
	n := c.neg
	switch tag {
	case n.keys.confirmTag(c.role.peer(), true):
		c.state, c.neg = Confirmed, nil
		return true, true
	case n.keys.confirmTag(c.role.peer(), false):
		if c.state != Confirmed {
			c.state = Confirmed
			n.next = now.Add(lingerTime)
		}
		return false, true
	}
	if c.state != Confirmed {
		c.GivePlain(PlainUnconfirmed)
	}
	return false, false
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
	n.due = true
	n.interval = min(2*n.interval, maxFollowUp)
	n.next = now.Add(n.interval)
	return append(acts, Action{Kind: ActAnswer})
}
