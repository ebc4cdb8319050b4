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

// synRTO is the time before a SYN or SYN-ACK is first repeated, section 5.
func synRTO(srtt time.Duration) time.Duration {
	if srtt == 0 {
		return initialRTO
	}
	return min(max(2*srtt, minSYNRTO), maxSYNRTO)
}

func backoff(d time.Duration) time.Duration { return min(2*d, maxSYNRTO) }
