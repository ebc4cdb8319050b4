// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

// Completing reports whether the peer may be about to complete a move of this end. As
// long as the address of that move is there, the caller waits with the next one (M581).
// A request replaces the one before. If it then failed, the ends would be in different
// places.
func (m *Machine) Completing() bool {
	return m.att != nil && m.att.moved && m.att.completions < patience
}

// third returns step 4, which is the cover (M542). Before a scaled window has come,
// it is an ACK that goes no farther than a strict tracker allows (M543).
func (m *Machine) third(tcb TCB) Action {
	seq := tcb.SndNxt
	if !m.att.covered {
		seq = m.att.seq + 1
	}
	return Action{
		Kind: ActSendACK, Seq: seq,
		Option: m.cfg.Format.layout().appendRequest(nil, m.proof(seq, tcb), maxOptions),
	}
}

// proof returns the Migrate option of an ACK by which this end completes its
// request. In suite 0x02 it returns the nonce (M223) and tells RCV.NXT (M549).
func (m *Machine) proof(seq uint32, tcb TCB) Request {
	r := Request{ReqNo: uint8(m.att.counter), Token: m.keys.token(m.role, m.att.counter)}
	if m.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-m.keys.irs, m.att.nonce)
	}
	r.Tag = m.keys.ackTag(m.role, m.att.counter, seq, r.Token)
	return r
}

// repeatThird is the timer of an attempt after the move (M564).
func (m *Machine) repeatThird(acts []Action, now Time, tcb TCB) []Action {
	a := m.att
	if a.completions == maxCompletions {
		// The peer may never have moved. TCP handles its next segment, a RST, or
		// silence.
		m.att = nil
		m.settleDrains(now) // M625
		if !a.covered {
			acts = append(acts, Action{Kind: ActGate}, Action{Kind: ActPush})
		}
		return acts
	}
	a.completions++
	a.rto = backoff(a.rto)
	a.next = now.Add(a.rto)
	return append(acts, m.third(tcb))
}

// completing takes a segment on the current path of an initiator that has moved and
// has no receipt yet.
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
		// M565. The peer may have given up in between, and have taken a late SYN
		// of ours since: then its numbers are new.
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
	// M544: the window came behind the SYN-ACK, so a tracker has seen it, too.
	if !a.covered && leq(tcb.SndNxt, s.Ack+s.Window) {
		a.covered, a.pushed = true, now
		acts = append(acts, m.third(tcb), Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	// M547: any other segment may have been sent before our ACK arrived, or when
	// the connection was on this tuple before.
	r, ok := ParseRequest(m.cfg.Format, s.Options)
	if ok && m.keys.provenACK(r, a.counter, a.nonce, s.Seq) {
		m.done = max(m.done, a.counter) // M433
		m.settleDrains(now)             // M625
		if a.covered {
			m.att = nil
		}
	}
	return acts, false
}

// showsLoss reports whether a SYN-ACK that arrives now shows that step 4 was lost,
// and all that was sent after it (M566). An earlier one was sent before step 4 could
// arrive, or was duplicated on its way. The eighth is for jitter.
func (a *attempt) showsLoss(now Time) bool {
	return now.Sub(a.pushed) >= a.rtt-a.rtt/8
}

// onProvisional takes a segment on the provisional path. Only a valid third ACK moves
// the connection (M526, M548).
func (m *Machine) onProvisional(now Time, s Segment, tcb TCB) (acts []Action, consumed bool) {
	p := m.prov
	if s.RST {
		// M527: the initiator's host no longer knows the request that our SYN-ACK
		// answers.
		if s.Seq == p.peerSeq+1 {
			m.prov = nil
			acts = append(acts, count(CountRefused), Action{Kind: ActDropPath})
		}
		return acts, true
	}
	r, ok := ParseRequest(m.cfg.Format, s.Options)
	if !ok || s.SYN || !s.ACK || !m.completes(r, s.Seq) {
		return m.answerAgain(append(acts, count(CountUnproven)), now, tcb), true // M522
	}
	m.prov = nil
	if a := m.att; a != nil && a.moved {
		// The peer asks for the next move from wherever it is, and has no use for
		// an earlier one of ours.
		m.att = nil
	}
	m.peerDone = p.counter
	m.tokensChanged = true
	m.accepted++
	m.finished = &finished{keys: m.keys, counter: p.counter, nonce: p.nonce, until: now.Add(drainTime)}
	// M661: nothing has been sent on the old path during a hold.
	re := Rebind{KeepCC: onlyPorts(p.tuple, p.old), OldAlive: m.hold == nil && p.oldAlive(tcb)}
	if p.sends == 1 {
		re.RTT = now.Sub(p.sentAt)
	}
	re.PeerRcvNxt, re.HasPeerRcvNxt = m.peerRcvNxt(r.Token, tcb)
	m.hold = nil // M706
	acts = append(acts,
		Action{Kind: ActRebind, Rebind: re},
		Action{
			Kind: ActSendACK, Seq: tcb.SndNxt,
			Option: m.cfg.Format.layout().appendRequest(nil, m.receipt(tcb), maxOptions),
		},
		Action{Kind: ActPush},
	)
	acts = m.drainFrom(acts, now, p.old, tcb.SRTT)
	m.settleDrains(now) // M625 is the initiator's: it has moved first
	return append(acts, count(CountAccepted)), s.Len == 0
}

// oldAlive reports whether the peer sent anything on the old path after its SYN (M662).
// An initiator whose path is broken does not. Its earlier segments may arrive later,
// but their timestamps are not newer than the SYN's.
func (p *provisional) oldAlive(tcb TCB) bool {
	return p.tsval != 0 && int32(tcb.TSRecent-p.tsval) > 0
}

// completes reports whether an ACK with sequence number seq and option r is the
// peer's third ACK.
func (m *Machine) completes(r Request, seq uint32) bool {
	p := m.prov
	if seq-(p.peerSeq+1) > maxBehind {
		// M214. In a suite whose tags are the same on all segments this may be
		// the SYN, sent again.
		return false
	}
	if !m.suite.rolling() && seq-p.seq <= 1 {
		return false // M215: our own SYN-ACK, sent back
	}
	return m.keys.provenACK(r, p.counter, p.nonce, seq)
}

// provenACK checks the Migrate option of the peer's step 4 or 5, which came on a
// segment with sequence number seq. In suite 0x02 it must return the nonce (M223).
func (k *keys) provenACK(r Request, counter uint64, nonce, seq uint32) bool {
	if r.ReqNo != uint8(counter) || r.Tag != k.ackTag(k.role.peer(), counter, seq, r.Token) {
		return false
	}
	return !k.suite.rolling() || uint32(r.Token) == nonce
}

// finished is the last migration that the peer has completed. It stays for drainTime,
// as the receipt may be lost (M548).
type finished struct {
	keys    *keys // the keys of this request, also after a later BindKey
	counter uint64
	nonce   uint32
	until   Time
	answer  bool // the initiator has repeated its ACK
}

// receipt returns the Migrate option of step 5.
func (m *Machine) receipt(tcb TCB) Request {
	f := m.finished
	r := Request{ReqNo: uint8(f.counter), Token: f.keys.token(m.role, f.counter)}
	if m.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-f.keys.irs, f.nonce)
	}
	r.Tag = f.keys.ackTag(m.role, f.counter, tcb.SndNxt, r.Token)
	return r
}

// onlyPorts reports whether two tuples differ in ports at most (M603).
func onlyPorts(a, b Tuple) bool {
	return a.Local.Addr() == b.Local.Addr() && a.Remote.Addr() == b.Remote.Addr()
}

// rcvNxtField returns the Token field of SYN-ACK and ACK in suites with rolling
// tokens (M222).
func rcvNxtField(rel, nonce uint32) Token { return Token(uint64(rel)<<32 | uint64(nonce)) }

// peerRcvNxt reads the peer's RCV.NXT from a Token field. A value that is not in flight
// says nothing, and ok is false.
func (m *Machine) peerRcvNxt(field Token, tcb TCB) (seq uint32, ok bool) {
	if !m.suite.rolling() {
		return 0, false
	}
	seq = m.keys.iss + uint32(field>>32)
	return seq, leq(tcb.SndUna, seq) && leq(seq, tcb.SndNxt)
}
