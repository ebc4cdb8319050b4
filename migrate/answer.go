// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// provisional is a request of the peer that it has not completed yet.
type provisional struct {
	tuple, old Tuple
	counter    uint64
	peerSeq    uint32 // of the SYN
	tsval      uint32 // of the SYN; 0 if it had none
	seq        uint32 // of the SYN-ACK
	nonce      uint32
	repeats    int  // by the timer
	sends      int  // for whatever reason
	sentAt     Time // the first time
	lastAt     Time
	rto        time.Duration
	next       Time
}

// SYN takes a request whose tag the Verifier has accepted. It came on tuple t
// with sequence number seq and timestamp tsval, 0 if it had none; cur is the current
// tuple, counter the token's.
func (m *Machine) SYN(now Time, t, cur Tuple, r Request, counter uint64, seq, tsval uint32, tcb TCB) (acts []Action) {
	if m.keys == nil || !tcb.Movable {
		return append(acts, count(CountWrongState))
	}
	counter, ok := m.fresh(r, counter)
	switch {
	case !m.suite.rolling() && r == m.ownRequest:
		return append(acts, count(CountReflected))
	case !ok:
		return append(acts, count(CountStaleRequest))
	case t == cur:
		return append(acts, count(CountDuplicateSYN))
	case !plausible(seq+1, tcb):
		return append(acts, count(CountBadSequence))
	}
	if m.state == Ready {
		// Only who has checked our Key-Confirm asks, with a tag that says no
		// less than its own.
		m.state, m.neg = Confirmed, nil
	}
	if p := m.prov; p != nil && counter == p.counter {
		if t != p.tuple {
			return append(acts, count(CountReplayedTuple))
		}
		return m.answerAgain(append(acts, count(CountDuplicateSYN)), now, tcb)
	}
	// Crossing requests, section 5.
	if a := m.att; a != nil && !a.moved {
		if m.role == Opener && a.sends == 1 {
			return append(acts, count(CountCrossedIgnored))
		}
		acts = m.endAttempt(append(acts, count(CountCrossedYielded)), ErrYielded)
	}
	if a := m.att; a != nil && !a.covered {
		// The cover cannot be sent while another path is on trial. The window
		// that it waits for is a moment away.
		return append(acts, count(CountCrossedIgnored))
	}
	if counter-1 > m.peerDone {
		// Lower ones are void, so that the peer's next ones are within the
		// window even if this one is never completed.
		m.peerDone, m.tokensChanged = counter-1, true
	}
	p := &provisional{
		tuple: t, old: cur, counter: counter, peerSeq: seq, tsval: tsval, seq: tcb.SndUna - 1,
		nonce: m.keys.nonce(counter, now), sentAt: now, rto: synRTO(tcb.SRTT),
	}
	p.next = now.Add(p.rto)
	m.prov = p
	if m.undrain(t) {
		acts = append(acts, Action{Kind: ActDropDrain, Tuple: t})
	}
	acts = append(acts, Action{Kind: ActOpenPath, Tuple: t})
	return m.sendSYNACK(acts, now, tcb)
}

// fresh returns the full counter of a request that is not of the past.
func (m *Machine) fresh(r Request, counter uint64) (uint64, bool) {
	if m.suite.rolling() {
		return counter, counter > m.peerDone && counter <= m.peerDone+tokenWindow
	}
	ahead := r.ReqNo - uint8(m.peerDone) // serial arithmetic (RFC 1982)
	return m.peerDone + uint64(ahead), ahead >= 1 && ahead <= serialWindow
}

// Provisional returns the tuple of a request of the peer that has not been
// completed yet.
func (m *Machine) Provisional() (t Tuple, ok bool) {
	if m.prov == nil {
		return t, false
	}
	return m.prov.tuple, true
}

// DropProvisional gives up a request of the peer, which can not complete it
// because the address that it wants to reach is gone.
func (m *Machine) DropProvisional() []Action {
	if m.prov == nil {
		return nil
	}
	m.prov = nil
	return []Action{count(CountPathExpired), {Kind: ActDropPath}}
}

// PathFailed tells that ActOpenPath could not be done.
func (m *Machine) PathFailed() []Action {
	m.prov = nil
	return []Action{{Kind: ActDropPath}}
}

// sendSYNACK sends steps 2 and 3 of section 5.
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
		Kind: ActSendSYNACK, Seq: p.seq, Ack: first,
		Option: m.cfg.Format.layout().appendRequest(nil, r, maxOptions),
	})
	if int32(tcb.RcvAcc-first) > maxUnscaled {
		acts = append(acts, Action{Kind: ActSendWindowUpdate, Seq: p.seq + 1, Ack: first})
	}
	return acts
}

// answerAgain repeats the SYN-ACK for a segment that shows its loss.
func (m *Machine) answerAgain(acts []Action, now Time, tcb TCB) []Action {
	if now.Sub(m.prov.lastAt) < minSYNACKInterval {
		return acts
	}
	return m.sendSYNACK(acts, now, tcb)
}

// repeatSYNACK is the provisional path's timer.
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

// plausible reports whether a sequence number, the first one not acknowledged
// of the peer, can be that: section 4.
func plausible(first uint32, tcb TCB) bool {
	return leq(first, tcb.RcvNxt) && tcb.RcvNxt-first <= maxBehind
}
