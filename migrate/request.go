// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// attempt is a request of this end. It stays after the move, until the receipt comes.
type attempt struct {
	tuple, old Tuple
	counter    uint64
	probe      bool
	gated      bool // nothing is sent on the current path
	moved      bool // to the new path; else the SYN is not answered yet

	seq    uint32 // of the SYN: Cuna - 1, taken once (M501, M502)
	option []byte // of the SYN

	tsRecent uint32 // TCB.TSRecent when the attempt began
	sends    int    // SYNs
	sentAt   Time   // of the last SYN
	rto      time.Duration
	next     Time

	// What follows counts after the move. It is of the first SYN-ACK (M565).
	covered     bool   // the cover has been sent
	alive       bool   // the old path worked after the SYN (M663)
	ack         uint32 // Suna
	una         uint32 // SND.UNA, which no peer that has it can be behind (M608)
	nonce       nonce
	completions int  // repetitions of step 4
	asked       Time // when step 4 was last repeated for a crossing request (M587)

	// before is the move that the peer had not completed when this attempt
	// began. If the attempt fails, it goes on.
	before *attempt
}

// Start asks the peer to move the connection from old to t. With keepOld, output on
// old goes on until the peer answers (M505). The errors are ErrNotNegotiated,
// ErrState, ErrSameTuple and ErrBusy.
func (m *Machine) Start(now Time, t, old Tuple, tcb TCB, keepOld bool) ([]Action, error) {
	return m.start(now, t, old, tcb, keepOld, false)
}

// Probe asks as Start does, and has the same errors. It does not move the connection:
// the attempt ends when the peer has answered.
func (m *Machine) Probe(now Time, t, old Tuple, tcb TCB) ([]Action, error) {
	return m.start(now, t, old, tcb, true, true)
}

func (m *Machine) start(now Time, t, old Tuple, tcb TCB, keepOld, probe bool) (acts []Action, err error) {
	switch {
	case m.state != Confirmed: // M322
		return nil, ErrNotNegotiated
	case !tcb.Movable:
		return nil, ErrState
	case t == old:
		return nil, ErrSameTuple
	case m.att != nil && !m.att.moved:
		return nil, ErrBusy
	}
	m.undrain(t)                              // the caller released it to put it on trial
	m.sent = min(m.sent+1, m.done+m.window()) // M431, M432
	a := &attempt{
		tuple: t, old: old, counter: m.sent, probe: probe,
		gated: !keepOld || m.att != nil && !m.att.covered,
		seq:   tcb.SndUna - 1, tsRecent: tcb.TSRecent, sends: 1, sentAt: now, rto: synRTO(tcb.SRTT),
		before: m.att,
	}
	a.next = now.Add(a.rto)
	req := Request{
		ReqNo: uint8(a.counter),
		Token: m.keys.token(m.role, a.counter),
		Tag:   m.keys.requestTag(m.role, a.counter, a.seq),
	}
	a.option = m.cfg.Format.layout().appendRequest(nil, req, maxOptions)
	m.att, m.ownRequest = a, req
	if a.gated {
		acts = append(acts, Action{Kind: ActGate, On: true})
	}
	return append(acts, a.syn()), nil
}

func (a *attempt) syn() Action {
	return Action{Kind: ActSendSYN, Seq: a.seq, Option: a.option}
}

// Cancel gives up an attempt that the peer has not answered, which then ends with
// cause. If there is none it does nothing.
func (m *Machine) Cancel(cause error) []Action {
	if m.att == nil || m.att.moved {
		return nil
	}
	return m.endAttempt(nil, cause)
}

// Unreachable takes an ICMP error about the segment of tuple t with sequence number
// seq (M516). On a path on trial it is no soft error (RFC 5461, section 4.1). An
// attacker who has not seen our SYN does not know its number (RFC 5927, section 4.1).
func (m *Machine) Unreachable(t Tuple, seq uint32) (acts []Action) {
	if m.att == nil || m.att.moved || m.att.tuple != t || m.att.seq != seq {
		return nil
	}
	return m.endAttempt(append(acts, count(CountUnreachable)), ErrUnreachable)
}

// endAttempt ends the attempt and leaves the connection where it was (M517).
func (m *Machine) endAttempt(acts []Action, err error) []Action {
	a := m.att
	m.att = a.before
	acts = append(acts, Action{Kind: ActDropPath})
	if a.gated && (m.att == nil || m.att.covered) {
		acts = append(acts, Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	return append(acts, Action{Kind: ActDone, Err: err})
}

// repeatSYN is the timer of an attempt before the move (M561, M562).
func (m *Machine) repeatSYN(acts []Action, now Time) []Action {
	a := m.att
	if limit, err := m.persistence(); a.sends == limit {
		return m.endAttempt(append(acts, count(CountNoAnswer)), err)
	}
	a.sends++
	a.sentAt = now
	a.rto = backoff(a.rto)
	a.next = now.Add(a.rto)
	return append(acts, a.syn())
}

// persistence returns how many SYNs are sent without an answer, and the error after
// that (M562).
func (m *Machine) persistence() (sends int, err error) {
	if m.role == Acceptor {
		return maxAcceptorSYNSends, errNoEntry
	}
	return maxSYNSends, ErrNoAnswer
}

// answered takes a segment on the path on trial. A valid SYN-ACK moves the connection
// (M541).
func (m *Machine) answered(now Time, s Segment, tcb TCB) (acts []Action) {
	a := m.att
	switch {
	case !s.ACK || s.Ack != a.seq+1: // M511: not an answer to our SYN
		return append(acts, count(CountBadSYNACK))
	case s.RST: // M515
		return m.endAttempt(append(acts, count(CountRefused)), ErrPeerRefused)
	case !s.SYN:
		// Step 3 has overtaken the SYN-ACK, so a tracker may have seen it without
		// knowing the window scale (M544).
		return nil
	}
	ans, ok := m.cfg.Format.layout().parseAnswer(s.Options)
	if ok && ans.reqNo != uint8(a.counter) {
		// M512: late, of an earlier attempt from this tuple.
		return append(acts, count(CountBadSYNACK))
	}
	if !ok || !m.provenSYNACK(ans, s.Seq) || !plausible(s.Seq+1, tcb) { // M513, M514
		return m.endAttempt(append(acts, count(CountUnproven)), ErrNotProven)
	}
	peerRcvNxt := m.keys.iss + ans.rcvNxt
	if !leq(peerRcvNxt, tcb.SndNxt) { // M606
		return append(acts, count(CountFenced), Action{Kind: ActFail, Err: ErrFenced})
	}
	m.done = max(m.done, a.counter-1) // M433: as the peer does when it answers a request
	var rtt time.Duration
	if a.sends == 1 {
		rtt = now.Sub(a.sentAt)
	}
	if a.probe {
		m.att = a.before
		return append(acts, Action{Kind: ActDropPath}, Action{Kind: ActDone, Rebind: Rebind{RTT: rtt}})
	}
	a.moved, a.before = true, nil
	a.ack, a.nonce = s.Seq+1, ans.nonce
	if rtt > 0 {
		a.rto = min(max(rtt+rtt/2, minSYNRTO), maxSYNRTO)
	}
	a.next = now.Add(a.rto)
	a.covered = tcb.SndNxt-(a.seq+1) <= maxUnscaled // M543
	m.initiated++

	a.alive = m.hold == nil && a.oldAlive(tcb) // M661
	re := Rebind{RTT: rtt, KeepCC: onlyPorts(a.tuple, a.old), OldAlive: a.alive}
	m.hold, m.finished, m.syns = nil, nil, nil // M706
	a.una = tcb.SndUna
	if leq(a.una, peerRcvNxt) { // else an ACK on the old path has overtaken the SYN-ACK
		a.una, re.PeerRcvNxt, re.HasPeerRcvNxt = peerRcvNxt, peerRcvNxt, true
	}
	acts = append(acts, Action{Kind: ActRebind, Rebind: re}, m.third(tcb))
	if a.covered {
		acts = append(acts, Action{Kind: ActPush})
	} else {
		acts = append(acts, Action{Kind: ActGate, On: true})
	}
	acts = m.drainFrom(acts, now, a.old, tcb.SRTT)
	return append(acts, count(CountInitiated), Action{Kind: ActDone, Rebind: re})
}

// oldAlive reports whether the peer has acknowledged something on the old path, or
// sent a newer timestamp there, since the attempt began (M663).
func (a *attempt) oldAlive(tcb TCB) bool {
	return !a.gated && (tcb.SndUna != a.seq+1 || tcb.TSRecent != a.tsRecent)
}

// provenSYNACK checks the Migrate option of a SYN-ACK with sequence number seq.
func (m *Machine) provenSYNACK(ans answer, seq uint32) bool {
	a := m.att
	return ans.reqNo == uint8(a.counter) && ans.tag == m.keys.answerTag(m.role.peer(), a.counter, seq, ans)
}

// first reports whether an opener waits for the answer to its first SYN (M584).
func (a *attempt) first(r Role) bool { return r == Opener && !a.moved && a.sends == 1 }

// synRTO returns the time before a SYN is first repeated (M561).
func synRTO(srtt time.Duration) time.Duration {
	if srtt == 0 {
		return initialRTO
	}
	return min(max(2*srtt, minSYNRTO), maxSYNRTO)
}

// backoff returns the interval after d.
func backoff(d time.Duration) time.Duration { return min(2*d, maxSYNRTO) }
