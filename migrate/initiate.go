// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import "time"

// attempt is a request of this end, until the peer shows that it is complete.
type attempt struct {
	tuple, old Tuple
	counter    uint64
	probe      bool
	gated      bool
	moved      bool // on the new path; else the SYN is not answered yet

	seq    uint32 // of the SYN
	option []byte

	tsRecent uint32 // TCB.TSRecent when the attempt began
	sends    int
	sentAt   Time // the last one
	rto      time.Duration
	next     Time

	rtt    time.Duration // new path; too short if not the last SYN was answered
	pushed Time          // when all in flight there was sent, behind step 4

	// covered: the cover, section 5, has been sent.
	covered     bool
	ack         uint32 // of the ACK: the peer's first unacknowledged number
	nonce       uint32
	completions int

	// before is the move that the peer had not completed yet when this
	// attempt began. If it fails, that is what is left to do.
	before *attempt
}

// Completing reports whether the peer may be about to complete a move of this
// end. It is better to wait for that than to ask for another move, as long as
// the address is there: a request replaces the one before, and if it then fails
// the ends are in different places.
func (m *Machine) Completing() bool {
	return m.att != nil && m.att.moved && m.att.completions < patience
}

// Start asks the peer to move the connection from old to t. With keepOld output
// goes on until the peer answers.
func (m *Machine) Start(now Time, t, old Tuple, tcb TCB, keepOld bool) ([]Action, error) {
	return m.start(now, t, old, tcb, keepOld, false)
}

// Probe asks as Start does, but does not move: it ends when the peer has
// answered.
func (m *Machine) Probe(now Time, t, old Tuple, tcb TCB) ([]Action, error) {
	return m.start(now, t, old, tcb, true, true)
}

func (m *Machine) start(now Time, t, old Tuple, tcb TCB, keepOld, probe bool) (acts []Action, err error) {
	switch {
	case m.state != Confirmed:
		return nil, ErrNotNegotiated
	case !tcb.Movable:
		return nil, ErrState
	case t == old:
		return nil, ErrSameTuple
	case m.prov != nil, m.att != nil && !m.att.moved:
		return nil, ErrBusy
	}
	m.undrain(t) // to put it on trial released it
	m.sent = min(m.sent+1, m.done+m.window())
	a := &attempt{
		tuple: t, old: old, counter: m.sent, probe: probe, gated: !keepOld,
		seq: tcb.SndUna - 1, tsRecent: tcb.TSRecent, sends: 1, sentAt: now, rto: synRTO(tcb.SRTT),
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

// Cancel gives up an attempt that the peer has not answered.
func (m *Machine) Cancel(cause error) []Action {
	if m.att == nil || m.att.moved {
		return nil
	}
	return m.endAttempt(nil, cause)
}

// Unreachable takes an ICMP error about the segment of tuple t with sequence
// number seq. Where the path is only tried it is no soft error (RFC 5461, section
// 4.1). Who has not seen our SYN cannot know its number (RFC 5927, section 4.1).
func (m *Machine) Unreachable(t Tuple, seq uint32) (acts []Action) {
	if m.att == nil || m.att.moved || m.att.tuple != t || m.att.seq != seq {
		return nil
	}
	return m.endAttempt(append(acts, count(CountUnreachable)), ErrUnreachable)
}

// endAttempt leaves the connection where it was.
func (m *Machine) endAttempt(acts []Action, err error) []Action {
	a := m.att
	m.att = a.before
	acts = append(acts, Action{Kind: ActDropPath})
	if a.gated && (m.att == nil || m.att.covered) {
		acts = append(acts, Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	return append(acts, Action{Kind: ActDone, Err: err})
}

// repeatAttempt is the attempt's timer.
func (m *Machine) repeatAttempt(acts []Action, now Time, tcb TCB) []Action {
	a := m.att
	if a.moved {
		if a.completions == maxCompletions {
			// The peer may never have moved. What comes next from it, a RST
			// or nothing, TCP deals with.
			m.att = nil
			m.settleDrains(now)
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
	if limit, err := m.persistence(); a.sends == limit {
		return m.endAttempt(append(acts, count(CountNoAnswer)), err)
	}
	a.sends++
	a.sentAt = now
	a.rto = backoff(a.rto)
	a.next = now.Add(a.rto)
	return append(acts, a.syn())
}

// persistence is how many SYNs are sent without an answer, and the error after that.
func (m *Machine) persistence() (sends int, err error) {
	if m.role == Acceptor {
		return maxAcceptorSYNSends, errNoEntry
	}
	return maxSYNSends, ErrNoAnswer
}

// answered takes a segment that has come on the path on trial.
func (m *Machine) answered(now Time, s Segment, tcb TCB) (acts []Action) {
	a := m.att
	switch {
	case !s.ACK || s.Ack != a.seq+1:
		// Not an answer to our SYN (RFC 9293, section 3.10.7.3).
		return append(acts, count(CountBadSYNACK))
	case s.RST:
		return m.endAttempt(append(acts, count(CountRefused)), ErrPeerRefused)
	case !s.SYN:
		// Step 3 has overtaken the SYN-ACK, and so may have been seen by a
		// middlebox that did not know the window scale yet.
		return nil
	}
	r, ok := ParseRequest(m.cfg.Format, s.Options)
	if ok && r.ReqNo != uint8(a.counter) {
		// Late, of an earlier attempt from this tuple.
		return append(acts, count(CountBadSYNACK))
	}
	if !ok || !m.provenSYNACK(r, s.Seq) || !plausible(s.Seq+1, tcb) {
		return m.endAttempt(append(acts, count(CountUnproven)), ErrNotProven)
	}
	m.done = max(m.done, a.counter-1) // as the peer does when it takes a request
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
	a.covered = tcb.SndNxt-(a.seq+1) <= maxUnscaled
	m.initiated++

	re := Rebind{RTT: rtt, KeepCC: onlyPorts(a.tuple, a.old), OldAlive: m.hold == nil && a.oldAlive(tcb)}
	m.hold, m.finished = nil, nil
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

// oldAlive reports whether the peer has been heard of on the old path since the
// attempt began: it has acknowledged something, or sent a newer timestamp.
func (a *attempt) oldAlive(tcb TCB) bool {
	return !a.gated && (tcb.SndUna != a.seq+1 || tcb.TSRecent != a.tsRecent)
}

// provenSYNACK checks the Migrate option of a SYN-ACK with sequence number seq.
func (m *Machine) provenSYNACK(r Request, seq uint32) bool {
	a := m.att
	if !m.suite.rolling() && seq == a.seq {
		return false // our own SYN, sent back
	}
	return r.ReqNo == uint8(a.counter) && r.Tag == m.keys.synackTag(m.role.peer(), a.counter, seq, r.Token)
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
