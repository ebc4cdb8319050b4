// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// Completing reports whether the peer may be about to complete a move of this
// end. It is better to wait for that than to ask for another move, as long as
// the address is there: a request replaces the one before, and if it then fails
// the ends are in different places.
func (m *Machine) Completing() bool {
	return m.att != nil && m.att.moved && m.att.completions < patience
}

// third is step 4 of section 5: the cover, or before a scaled window has been
// seen an ACK that goes no further than a strict middlebox allows.
func (m *Machine) third(tcb TCB) Action {
	if m.prov != nil {
		// The gVisor below would send ActSendACK on the peer's path on trial.
		// ACKOption has the same option, and the cover has been sent.
		return Action{Kind: ActAnswer}
	}
	seq := tcb.SndNxt
	if !m.att.covered {
		seq = m.att.seq + 1
	}
	return Action{
		Kind: ActSendACK, Seq: seq,
		Option: m.cfg.Format.layout().appendRequest(nil, m.proof(seq, tcb), maxOptions),
	}
}

// proof is the Migrate option of an ACK by which this end completes its
// request.
func (m *Machine) proof(seq uint32, tcb TCB) Request {
	r := Request{ReqNo: uint8(m.att.counter), Token: m.keys.token(m.role, m.att.counter)}
	if m.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-m.keys.irs, m.att.nonce)
	}
	r.Tag = m.keys.ackTag(m.role, m.att.counter, seq, r.Token)
	return r
}

// completing takes a segment on the current path after the move.
func (m *Machine) completing(now Time, s Segment, tcb TCB) (acts []Action, consumed bool) {
	a := m.att
	switch {
	case s.RST:
		return nil, false
	case s.SYN:
		r, ok := ParseRequest(m.cfg.Format, s.Options)
		if !ok || !s.ACK || !m.provenSYNACK(r, s.Seq) || !plausible(s.Seq+1, tcb) {
			return append(acts, count(CountBadSYNACK)), true
		}
		// The peer may have given up in between and taken a late SYN of ours
		// since: its numbers are new ones then.
		a.ack, a.nonce = s.Seq+1, uint32(r.Token)
		acts = append(acts, m.third(tcb))
		if a.covered && a.showsLoss(now) {
			a.pushed = now
			acts = append(acts, Action{Kind: ActPush, Lost: true})
		}
		return acts, true
	case !s.ACK || s.Seq-(a.ack-1) > maxBehind || !leq(a.seq+1, s.Ack) || !leq(s.Ack, tcb.SndNxt):
		return nil, false // nothing that the peer sends here
	}
	if !a.covered && leq(tcb.SndNxt, s.Ack+s.Window) {
		a.covered, a.pushed = true, now
		acts = append(acts, m.third(tcb), Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	// Only step 5 says that the peer has moved. Anything else may have been sent
	// before our ACK arrived, or when the connection was here the last time.
	r, ok := ParseRequest(m.cfg.Format, s.Options)
	if ok && m.keys.provenACK(r, a.counter, a.nonce, s.Seq) {
		m.done = max(m.done, a.counter)
		m.settleDrains(now)
		if a.covered {
			m.att = nil
		}
	}
	return acts, false
}

// showsLoss reports whether a SYN-ACK that arrives now says that step 4 was lost,
// and so all that came after it. One that comes within a round trip, but for an
// eighth of jitter, was sent before step 4 could arrive, or was duplicated on its
// way.
func (a *attempt) showsLoss(now Time) bool {
	return now.Sub(a.pushed) >= a.rtt-a.rtt/8
}

// onProvisional takes a segment on the provisional path.
func (m *Machine) onProvisional(now Time, s Segment, tcb TCB) (acts []Action, consumed bool) {
	p := m.prov
	if s.RST {
		// The initiator's host no longer knows what our SYN-ACK answers.
		if s.Seq == p.peerSeq+1 {
			m.prov = nil
			acts = append(acts, count(CountRefused), Action{Kind: ActDropPath})
		}
		return acts, true
	}
	r, ok := ParseRequest(m.cfg.Format, s.Options)
	if !ok || s.SYN || !s.ACK || !m.completes(r, s.Seq) {
		return m.answerAgain(append(acts, count(CountUnproven)), now, tcb), true
	}
	m.prov = nil
	if a := m.att; a != nil && a.moved {
		// An earlier move of our own that the peer, who asks for the next
		// one from wherever it is, has no use for.
		m.att = nil
	}
	m.peerDone = p.counter
	m.tokensChanged = true
	m.accepted++
	m.finished = &finished{keys: m.keys, counter: p.counter, nonce: p.nonce, until: now.Add(drainTime)}
	re := Rebind{KeepCC: onlyPorts(p.tuple, p.old), OldAlive: m.hold == nil && p.oldAlive(tcb)}
	if p.sends == 1 {
		re.RTT = now.Sub(p.sentAt)
	}
	re.PeerRcvNxt, re.HasPeerRcvNxt = m.peerRcvNxt(r.Token, tcb)
	m.hold = nil
	acts = append(acts,
		Action{Kind: ActRebind, Rebind: re},
		Action{
			Kind: ActSendACK, Seq: tcb.SndNxt,
			Option: m.cfg.Format.layout().appendRequest(nil, m.receipt(tcb), maxOptions),
		},
		Action{Kind: ActPush},
	)
	acts = m.drainFrom(acts, now, p.old, tcb.SRTT)
	m.settleDrains(now) // the initiator moves first
	return append(acts, count(CountAccepted)), s.Len == 0
}

// oldAlive reports whether the peer has sent anything on the old path after its
// SYN: an initiator whose path is broken does not. What it sent before may arrive
// later, but with timestamps that are not newer than the SYN's.
func (p *provisional) oldAlive(tcb TCB) bool {
	return p.tsval != 0 && int32(tcb.TSRecent-p.tsval) > 0
}

// completes reports whether an ACK with sequence number seq and option r is the
// peer's step 4.
func (m *Machine) completes(r Request, seq uint32) bool {
	p := m.prov
	if seq-(p.peerSeq+1) > maxBehind {
		// Before what the SYN announced: it is the SYN, played again, in a
		// suite whose tags are the same on all segments.
		return false
	}
	if !m.suite.rolling() && seq-p.seq <= 1 {
		return false // our own SYN-ACK, sent back
	}
	return m.keys.provenACK(r, p.counter, p.nonce, seq)
}

// provenACK checks the Migrate option of steps 4 and 5, which came from the
// peer on a segment with sequence number seq.
func (k *keys) provenACK(r Request, counter uint64, nonce, seq uint32) bool {
	if r.ReqNo != uint8(counter) || r.Tag != k.ackTag(k.role.peer(), counter, seq, r.Token) {
		return false
	}
	return !k.suite.rolling() || uint32(r.Token) == nonce
}

// finished is the last migration that the peer has completed, as long as its
// initiator may not know that.
type finished struct {
	keys    *keys // the peer's for this request, whatever has been bound since
	counter uint64
	nonce   uint32
	until   Time
	answer  bool // the initiator has repeated its ACK
}

// receipt is the Migrate option of step 5.
func (m *Machine) receipt(tcb TCB) Request {
	f := m.finished
	r := Request{ReqNo: uint8(f.counter), Token: f.keys.token(m.role, f.counter)}
	if m.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-f.keys.irs, f.nonce)
	}
	r.Tag = f.keys.ackTag(m.role, f.counter, tcb.SndNxt, r.Token)
	return r
}

// onlyPorts reports whether two tuples have the same addresses.
func onlyPorts(a, b Tuple) bool {
	return a.Local.Addr() == b.Local.Addr() && a.Remote.Addr() == b.Remote.Addr()
}

// rcvNxtField is the Token field of SYN-ACK and ACK in suites with rolling
// tokens.
func rcvNxtField(rel, nonce uint32) Token { return Token(uint64(rel)<<32 | uint64(nonce)) }

// peerRcvNxt reads what has arrived at the peer from a Token field. A value
// outside of what is in flight says nothing.
func (m *Machine) peerRcvNxt(field Token, tcb TCB) (seq uint32, ok bool) {
	if !m.suite.rolling() {
		return 0, false
	}
	seq = m.keys.iss + uint32(field>>32)
	return seq, leq(tcb.SndUna, seq) && leq(seq, tcb.SndNxt)
}
