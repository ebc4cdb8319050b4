// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// provisional is a request of the peer that is on hand: answered, not complete.
type provisional struct {
	tuple, old Tuple
	counter    uint64
	peerSeq    uint32 // of the SYN
	tsval      uint32 // of the first SYN; 0 if it had none
	tsecr      uint32 // tsval of the last SYN, which SYN-ACKs echo
	seq        uint32 // of the SYN-ACK: Suna - 1, taken once (M501, M502)
	nonce      uint32 // M223
	repeats    int    // SYN-ACKs by the timer
	sends      int    // SYN-ACKs for any reason
	sentAt     Time   // of the first SYN-ACK
	lastAt     Time   // of the last one
	rto        time.Duration
	next       Time
}

// SYN takes a request whose tag the Verifier has accepted. It came on tuple t with
// sequence number seq and timestamp tsval, 0 if it had none. cur is the current tuple,
// counter that of the token. A request that is dropped gives a count and nothing else
// (M410).
func (m *Machine) SYN(now Time, t, cur Tuple, r Request, counter uint64, seq, tsval uint32, tcb TCB) (acts []Action) {
	if m.keys == nil || !tcb.Movable { // M417
		return append(acts, count(CountWrongState))
	}
	counter, ok := m.fresh(r, counter)
	switch {
	case !m.suite.rolling() && r == m.ownRequest: // M414
		return append(acts, count(CountReflected))
	case !ok: // M413, M567
		return append(acts, count(CountStaleRequest))
	case t == cur: // M416
		return append(acts, count(CountDuplicateSYN))
	case !plausible(seq+1, tcb): // M415
		return append(acts, count(CountBadSequence))
	}
	if m.state == Ready {
		// M316: only an end that has checked our Key-Confirm asks, and the tag of
		// its request proves as much as its own Key-Confirm would.
		m.state, m.neg = Confirmed, nil
	}
	if p := m.prov; p != nil && counter == p.counter { // M422
		if t != p.tuple { // M423
			return append(acts, count(CountReplayedTuple))
		}
		p.tsecr = tsval
		return m.answerAgain(append(acts, count(CountDuplicateSYN)), now, tcb)
	}
	if a := m.att; a != nil && !a.moved {
		if m.role == Opener && a.sends == 1 { // M584
			return append(acts, count(CountCrossedIgnored))
		}
		acts = m.endAttempt(append(acts, count(CountCrossedYielded)), ErrYielded) // M585
	}
	if a := m.att; a != nil && !a.covered {
		// M586: the window that the cover waits for is a moment away.
		return append(acts, count(CountCrossedIgnored))
	}
	if counter-1 > m.peerDone {
		// M402: lower counters are void. So the peer's next ones are within the
		// window even if this one is never completed.
		m.peerDone, m.tokensChanged = counter-1, true
	}
	p := &provisional{
		tuple: t, old: cur, counter: counter, peerSeq: seq, tsval: tsval, tsecr: tsval, seq: tcb.SndUna - 1,
		nonce: m.keys.nonce(counter, now), sentAt: now, rto: synRTO(tcb.SRTT),
	}
	p.next = now.Add(p.rto)
	m.prov = p // in the place of a lower counter's, if there is one (M421)
	if m.undrain(t) {
		acts = append(acts, Action{Kind: ActDropDrain, Tuple: t})
	}
	acts = append(acts, Action{Kind: ActOpenPath, Tuple: t})
	return m.sendSYNACK(acts, now, tcb)
}

// fresh returns the full counter of a request, and whether it is in the window (M413).
func (m *Machine) fresh(r Request, counter uint64) (uint64, bool) {
	if m.suite.rolling() {
		return counter, counter > m.peerDone && counter <= m.peerDone+tokenWindow
	}
	ahead := r.ReqNo - uint8(m.peerDone) // serial arithmetic (RFC 1982)
	return m.peerDone + uint64(ahead), ahead >= 1 && ahead <= serialWindow
}

// Provisional returns the tuple of the peer's request that is on hand, if there is
// one. As long as the local address is there, the caller waits with a move of its own
// (M582).
func (m *Machine) Provisional() (t Tuple, ok bool) {
	if m.prov == nil {
		return t, false
	}
	return m.prov.tuple, true
}

// DropProvisional gives up the peer's request that is on hand. The peer cannot
// complete it, as the address that it wants to reach is gone (M582).
func (m *Machine) DropProvisional() []Action {
	if m.prov == nil {
		return nil
	}
	m.prov = nil
	return []Action{count(CountPathExpired), {Kind: ActDropPath}}
}

// PathFailed takes the news that ActOpenPath failed.
func (m *Machine) PathFailed() []Action {
	m.prov = nil
	return []Action{{Kind: ActDropPath}}
}

// sendSYNACK sends steps 2 and 3 on the provisional path. It leaves the current path
// alone (M521).
func (m *Machine) sendSYNACK(acts []Action, now Time, tcb TCB) []Action {
	p := m.prov
	p.sends++
	p.lastAt = now
	r := Request{ReqNo: uint8(p.counter), Token: m.keys.token(m.role, p.counter)}
	if m.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-m.keys.irs, p.nonce)
	}
	r.Tag = m.keys.synackTag(m.role, p.counter, p.seq, r.Token)
	first := p.peerSeq + 1
	acts = append(acts, Action{
		Kind: ActSendSYNACK, Seq: p.seq, Ack: first, TSEcr: p.tsecr,
		Option: m.cfg.Format.layout().appendRequest(nil, r, maxOptions),
	})
	if int32(tcb.RcvAcc-first) > maxUnscaled { // M524
		acts = append(acts, Action{Kind: ActSendWindowUpdate, Seq: p.seq + 1, Ack: first})
	}
	return acts
}

// answerAgain repeats the SYN-ACK for a segment that shows that it was lost. The
// path's timer goes on as it was (M522, M523).
func (m *Machine) answerAgain(acts []Action, now Time, tcb TCB) []Action {
	if now.Sub(m.prov.lastAt) < minSYNACKInterval {
		return acts
	}
	return m.sendSYNACK(acts, now, tcb)
}

// repeatSYNACK is the timer of the provisional path (M561, M563).
func (m *Machine) repeatSYNACK(acts []Action, now Time, tcb TCB) []Action {
	p := m.prov
	if p.repeats++; p.repeats == maxSYNACKSends {
		m.prov = nil
		return append(acts, count(CountPathExpired), Action{Kind: ActDropPath})
	}
	p.rto = backoff(p.rto)
	p.next = now.Add(p.rto)
	return m.sendSYNACK(acts, now, tcb)
}

// plausible reports whether first can be the peer's first number that is not
// acknowledged (M415, M514).
func plausible(first uint32, tcb TCB) bool {
	return leq(first, tcb.RcvNxt) && tcb.RcvNxt-first <= maxBehind
}
