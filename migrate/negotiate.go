// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"crypto/ecdh"
	"encoding/binary"
	"time"
)

// NegotiationState is how far the negotiation has come (section 8 of the protocol).
type NegotiationState uint8

// States of the negotiation.
const (
	Offered   NegotiationState = iota // SYN or SYN-ACK not answered yet
	Keying                            // connection established, key halves missing
	Ready                             // requests of the peer are accepted (M321)
	Confirmed                         // this end may initiate (M322)
	Plain                             // plain TCP, for good
)

var negotiationStates = [...]string{"offered", "keying", "ready", "confirmed", "plain"}

func (s NegotiationState) String() string { return negotiationStates[s] }

// negotiation is the state that a machine has until both ends have confirmed.
type negotiation struct {
	key      *ecdh.PrivateKey // nil for suites without a key exchange
	own      keyShare
	peer     keyShare
	permit   bool // the peer's Migrate-Permitted has come
	rest     bool // the peer's Key-Rest has come
	iss, irs uint32

	// keys are the keys of Key-Confirm, also after a later BindKey. Nil before Ready.
	keys *keys

	turn   bool // if there is room for one option only, it is Key-Confirm's turn
	answer bool // the peer lacks our Key-Confirm

	offers  int  // SYNs or SYN-ACKs with the option
	keyACKs int  // segments with key options
	due     bool // the next ACK is sent for key options alone

	rounds   int  // ACKs by the timer
	replies  int  // ACKs in answer
	quiet    Time // until then there is no answer to a segment that tells nothing new
	interval time.Duration
	next     Time // of the timer
}

// Established takes the news that the connection's handshake is complete, with the
// initial sequence numbers of this end and of the peer.
func (m *Machine) Established(now Time, iss, irs uint32) {
	if m.state != Offered {
		return
	}
	if m.neg == nil || !m.neg.permit { // M341
		m.GivePlain(PlainNotOffered)
		return
	}
	m.state = Keying
	m.neg.iss, m.neg.irs = iss, irs
	m.neg.interval = firstFollowUp
	m.neg.next = now.Add(firstFollowUp)
	if !m.suite.hasKey() { // M323
		m.compute()
		m.state, m.neg = Confirmed, nil
	}
}

// GivePlain has the connection stay plain TCP for the reason r, for good (M235, M341,
// M344). A migration that is under way ends without an action.
func (m *Machine) GivePlain(r PlainReason) {
	if m.state == Plain {
		return
	}
	m.state, m.reason = Plain, r
	m.tokensChanged = m.tokensChanged || m.keys != nil
	m.neg, m.keys, m.rand = nil, nil, nil
	m.att, m.syns, m.finished = nil, nil, nil
}

// compute derives the keys when both halves of the peer's key are there.
func (m *Machine) compute() {
	n := m.neg
	var z []byte
	if m.suite.hasKey() {
		peer, err := ecdh.X25519().NewPublicKey(n.peer.public[:])
		if err == nil {
			// M231: an all-zero secret is an error (RFC 7748, section 6.1).
			z, err = n.key.ECDH(peer)
		}
		if err != nil {
			m.GivePlain(PlainWeakKey)
			return
		}
	}
	k, err := newKeys(m.suite, m.role, z, n.own, n.peer, n.iss, n.irs)
	if err != nil {
		m.GivePlain(PlainWeakKey)
		return
	}
	n.keys = k
	m.keys, m.state, m.tokensChanged = k, Ready, true
}

// WantsACKs reports whether ACKOption and PeerACK have anything to do.
func (m *Machine) WantsACKs() bool {
	return (m.neg != nil && m.state >= Keying) || (m.att != nil && m.att.moved) || m.finished != nil
}

// ACKOption appends to b the options for a segment with sequence number seq that fit into
// room bytes (M302). That is Migrate until the peer shows that a migration is complete
// (M546), or Key-Rest and Key-Confirm until the peer has them. The segment has no payload.
func (m *Machine) ACKOption(b []byte, room int, seq uint32, tcb TCB) []byte {
	if m.Proving() {
		return m.cfg.Format.layout().appendProof(b, m.proof(seq, m.att.covered && seq == tcb.SndNxt, tcb), room)
	}
	if f := m.finished; f != nil && f.answer {
		size := len(b)
		b = m.cfg.Format.layout().appendProof(b, m.receipt(seq, tcb), room)
		f.answer = len(b) == size
		return b
	}
	if m.neg == nil || m.state < Keying {
		return b
	}
	return m.appendKeyOptions(b, room)
}

// appendKeyOptions appends Key-Rest and Key-Confirm, as far as the peer may lack them.
func (m *Machine) appendKeyOptions(b []byte, room int) []byte {
	n, l := m.neg, m.cfg.Format.layout()
	if n.keyACKs >= maxKeyACKs && !n.due { // M306: TCP needs this ACK to arrive
		return b
	}
	n.due = false
	rest := m.state != Confirmed                                 // M303
	confirm := m.state == Ready || n.answer                      // M304, M314
	if rest && confirm && room < 2*l.header+l.nRest+l.nConfirm { // M305
		rest, confirm = !n.turn, n.turn
		n.turn = !n.turn
	}
	start := len(b)
	var content []byte
	if rest {
		if b, content = l.appendOption(b, optPermitted, l.nRest, room); content != nil {
			content[0] = n.own.flags
			copy(content[1:], n.own.fresh[:])
			copy(content[1+nFresh:], n.own.public[l.synKey:])
			n.turn = true
		}
	}
	if confirm {
		if b, content = l.appendOption(b, optPermitted, l.nConfirm, room-(len(b)-start)); content != nil {
			binary.BigEndian.PutUint64(content, n.keys.confirmTag(m.role, m.state == Confirmed))
			n.answer = false
		}
	}
	if len(b) > start {
		n.keyACKs++
	}
	return b
}

// PeerACK takes the options and the sequence number of a segment without payload. It
// reports whether a segment without payload is to be sent in answer (M313).
//
// Key-Rest proves nothing, and a wrong one ends the negotiation. So key options count
// at RCV.NXT only (M317), like a RST in RFC 5961 (section 3.2). An attacker who knows
// the tuple, but does not see the segments, cannot tell where that is. The timer makes
// up for an ACK that overtakes data, or is overtaken.
func (m *Machine) PeerACK(now Time, seq uint32, opts []byte, tcb TCB) (reply bool) {
	if m.finished != nil && m.repeated(seq, opts) {
		return true
	}
	n := m.neg
	if n == nil || m.state < Keying || seq != tcb.RcvNxt {
		return false
	}
	l := m.cfg.Format.layout()
	before := m.state
	rest := l.find(opts, optPermitted, l.nRest)
	if rest != nil && !m.takeRest(rest) {
		return false
	}
	lacks := rest != nil
	if tag := l.find(opts, optPermitted, l.nConfirm); tag != nil && m.state >= Ready {
		done, ok := m.takeConfirm(now, binary.BigEndian.Uint64(tag))
		if done || !ok {
			return false
		}
		lacks = true
	}
	if !lacks {
		return false
	}
	n.answer = true
	if n.replies == maxFollowUps || (m.state == before && now < n.quiet) { // M311, M312
		return false
	}
	n.replies++
	n.due = true
	n.quiet = now.Add(minReplyInterval)
	return true
}

// takeRest takes the content of the peer's Key-Rest. It reports whether the rest of the
// segment counts.
func (m *Machine) takeRest(content []byte) bool {
	n := m.neg
	share := n.peer
	share.flags = content[0]
	copy(share.fresh[:], content[1:])
	copy(share.public[m.cfg.Format.layout().synKey:], content[1+nFresh:])
	switch {
	case !n.rest:
		n.rest, n.peer = true, share
		if m.suite.rolling() { // the only one whose keys depend on the flags
			m.capabilities = Capabilities(n.own.flags & n.peer.flags)
		}
		m.compute()
		return m.state != Plain
	case n.peer == share:
		return true
	case m.state != Confirmed: // M233, M236
		// The peer of an end that has confirmed has the same keys. Nothing that
		// comes later casts a doubt on that.
		m.GivePlain(PlainInconsistent)
	}
	return false
}

// takeConfirm takes the peer's Key-Confirm. done reports that neither end lacks
// anything, ok that the tag is the peer's.
func (m *Machine) takeConfirm(now Time, tag uint64) (done, ok bool) {
	n := m.neg
	switch tag {
	case n.keys.confirmTag(m.role.peer(), true):
		m.state, m.neg = Confirmed, nil // M315
		return true, true
	case n.keys.confirmTag(m.role.peer(), false):
		if m.state != Confirmed {
			m.state = Confirmed
			n.next = now.Add(lingerTime)
		}
		return false, true
	}
	if m.state != Confirmed { // M234, M236
		m.GivePlain(PlainUnconfirmed)
	}
	return false, false
}

// followUp is the negotiation's timer (M307, M315, M341).
func (m *Machine) followUp(acts []Action, now Time) []Action {
	n := m.neg
	if m.state == Confirmed {
		m.neg = nil
		return acts
	}
	if n.rounds == maxFollowUps {
		m.GivePlain(PlainNoAnswer)
		return acts
	}
	n.rounds++
	n.due = true
	n.interval = min(2*n.interval, maxFollowUp)
	n.next = now.Add(n.interval)
	return append(acts, Action{Kind: ActAnswer})
}
