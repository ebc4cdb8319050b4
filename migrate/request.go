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

	rtt    time.Duration // of the new path; too short if an earlier SYN was answered
	pushed Time          // when all in flight on the new path was sent, behind step 4

	covered     bool   // the cover has been sent
	ack         uint32 // Suna
	nonce       uint32
	completions int // repetitions of step 4

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
	case m.prov != nil, m.att != nil && !m.att.moved: // M583
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
	r, ok := ParseRequest(m.cfg.Format, s.Options)
	if ok && r.ReqNo != uint8(a.counter) {
		// M512: late, of an earlier attempt from this tuple.
		return append(acts, count(CountBadSYNACK))
	}
	if !ok || !m.provenSYNACK(r, s.Seq) || !plausible(s.Seq+1, tcb) { // M513, M514
		return m.endAttempt(append(acts, count(CountUnproven)), ErrNotProven)
	}
	m.done = max(m.done, a.counter-1) // M433: as the peer does when it takes a request
	a.rtt = now.Sub(a.sentAt)
	var rtt time.Duration
	if a.sends == 1 {
		rtt = a.rtt
	}
	if a.probe {
		m.att = a.before
		return append(acts, Action{Kind: ActDropPath}, Action{Kind: ActDone, Rebind: Rebind{RTT: rtt}})
	}
	a.moved, a.before = true, nil
	a.pushed = now
	a.ack, a.nonce = s.Seq+1, uint32(r.Token)
	if rtt > 0 {
		a.rto = min(max(rtt+rtt/2, minSYNRTO), maxSYNRTO)
	}
	a.next = now.Add(a.rto)
	a.covered = tcb.SndNxt-(a.seq+1) <= maxUnscaled // M543
	m.initiated++

	// M661: nothing has been sent on the old path during a hold.
	re := Rebind{RTT: rtt, KeepCC: onlyPorts(a.tuple, a.old), OldAlive: m.hold == nil && a.oldAlive(tcb)}
	m.hold, m.finished = nil, nil // M706
	re.PeerRcvNxt, re.HasPeerRcvNxt = m.peerRcvNxt(r.Token, tcb)
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
func (m *Machine) provenSYNACK(r Request, seq uint32) bool {
	a := m.att
	if !m.suite.rolling() && seq == a.seq {
		return false // M213: our own SYN, sent back
	}
	return r.ReqNo == uint8(a.counter) && r.Tag == m.keys.synackTag(m.role.peer(), a.counter, seq, r.Token)
}

// synRTO returns the time before a SYN or SYN-ACK is first repeated (M561).
func synRTO(srtt time.Duration) time.Duration {
	if srtt == 0 {
		return initialRTO
	}
	return min(max(2*srtt, minSYNRTO), maxSYNRTO)
}

// backoff returns the interval after d.
func backoff(d time.Duration) time.Duration { return min(2*d, maxSYNRTO) }
