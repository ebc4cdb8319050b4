// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// SYN takes a request whose tag the Verifier has accepted. It came on tuple t with
// sequence number seq and the given MSS. cur is the current tuple, counter that of the
// token.
//
// A valid request is answered, from whatever tuple and however often, by less than three
// times its size (M530). That leaves no path, timer or limit: lower counters become void,
// and nothing else changes (M521, M528). A request
// that is dropped gives a count and nothing else (M410).
func (m *Machine) SYN(now Time, t, cur Tuple, r Request, counter uint64, seq uint32, mss uint16, tcb TCB) (acts []Action) {
	if m.keys == nil || !tcb.moves() { // M417
		return append(acts, count(CountWrongState))
	}
	counter, ok := m.fresh(r.ReqNo, counter)
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
	if a := m.att; a != nil && (a.first(m.role) || a.moved && !a.covered) { // M584, M586
		return append(acts, count(CountCrossedIgnored))
	}
	if counter-1 > m.peerDone {
		// M402: lower counters are void. So the peer's next ones are within the
		// window even if this one is never completed.
		m.peerDone, m.tokensChanged = counter-1, true
	}
	e := m.answeredTo(now, t, counter, seq, tcb)
	e.sends++
	ans := answer{
		reqNo:  r.ReqNo,
		rcvNxt: tcb.RcvNxt - m.keys.irs,
		nonce:  m.secret.nonce(now, t, r.Token, r.ReqNo, mss),
	}
	ans.tag = m.keys.answerTag(m.role, counter, e.seq, ans)
	return append(acts, Action{
		Kind: ActAnswerSYN, Seq: e.seq, Ack: seq + 1,
		Option: m.cfg.Format.layout().appendAnswer(nil, ans),
		On:     int32(tcb.RcvAcc-(seq+1)) > maxUnscaled, // M524
	})
}

// fresh returns the full counter of a request, and whether it is in the window (M413).
func (m *Machine) fresh(reqNo uint8, counter uint64) (uint64, bool) {
	if m.suite.rolling() {
		return counter, counter > m.peerDone && counter <= m.peerDone+tokenWindow
	}
	ahead := reqNo - uint8(m.peerDone) // serial arithmetic (RFC 1982)
	return m.peerDone + uint64(ahead), ahead >= 1 && ahead <= serialWindow
}

// answeredSYN is what is worth remembering of a request that was answered. The key is what
// the peer's tag covers, its counter and its sequence number, and not the tuple. So copies
// of a request, from wherever, find its entry and take no other's place (M529).
type answeredSYN struct {
	counter uint64
	peerSeq uint32
	seq     uint32 // of the SYN-ACK: Suna - 1, taken once (M501, M502)
	tuple   Tuple  // of the first copy
	sentAt  Time   // of the first SYN-ACK
	sends   int    // SYN-ACKs
}

// answeredTo returns the entry of a request. If there is none it makes one, in the place
// of the oldest if there are maxAnswered.
func (m *Machine) answeredTo(now Time, t Tuple, counter uint64, peerSeq uint32, tcb TCB) *answeredSYN {
	oldest := 0
	for i := range m.syns {
		e := &m.syns[i]
		if e.counter == counter && e.peerSeq == peerSeq && now.Sub(e.sentAt) < answeredTime {
			return e
		}
		if e.sentAt < m.syns[oldest].sentAt {
			oldest = i
		}
	}
	if len(m.syns) < maxAnswered {
		oldest = len(m.syns)
		m.syns = append(m.syns, answeredSYN{})
	}
	m.syns[oldest] = answeredSYN{tuple: t, counter: counter, peerSeq: peerSeq, seq: tcb.SndUna - 1, sentAt: now}
	return &m.syns[oldest]
}

// handshakeRTT returns how long the handshake on t took. It is 0 if more than one SYN was
// answered, as nobody knows which SYN-ACK came back.
func (m *Machine) handshakeRTT(now Time, t Tuple, counter uint64) time.Duration {
	for _, e := range m.syns {
		if e.tuple == t && e.counter == counter && e.sends == 1 {
			return now.Sub(e.sentAt)
		}
	}
	return 0
}

// plausible reports whether first can be the peer's first number that is not
// acknowledged (M415, M514).
func plausible(first uint32, tcb TCB) bool {
	return leq(first, tcb.RcvNxt) && tcb.RcvNxt-first <= maxBehind
}
