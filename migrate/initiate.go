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
func (c *Conn) Completing() bool {
	return c.att != nil && c.att.moved && c.att.completions < patience
}

// Start asks the peer to move the connection from old to t. With keepOld output
// goes on until the peer answers.
func (c *Conn) Start(now Time, t, old Tuple, tcb TCB, keepOld bool) ([]Action, error) {
	return c.start(now, t, old, tcb, keepOld, false)
}

// Probe asks as Start does, but does not move: it ends when the peer has
// answered.
func (c *Conn) Probe(now Time, t, old Tuple, tcb TCB) ([]Action, error) {
	return c.start(now, t, old, tcb, true, true)
}

func (c *Conn) start(now Time, t, old Tuple, tcb TCB, keepOld, probe bool) (acts []Action, err error) {
	switch {
	case c.state != Confirmed:
		return nil, ErrNotNegotiated
	case !tcb.Movable:
		return nil, ErrState
	case t == old:
		return nil, ErrSameTuple
	case c.prov != nil, c.att != nil && !c.att.moved:
		return nil, ErrBusy
	}
	c.undrain(t) // to put it on trial released it
	c.sent = min(c.sent+1, c.done+c.window())
	a := &attempt{
		tuple: t, old: old, counter: c.sent, probe: probe, gated: !keepOld,
		seq: tcb.SndUna - 1, tsRecent: tcb.TSRecent, sends: 1, sentAt: now, rto: synRTO(tcb.SRTT),
		before: c.att,
	}
	a.next = now.Add(a.rto)
	req := Request{
		ReqNo: uint8(a.counter),
		Token: c.keys.token(c.role, a.counter),
		Tag:   c.keys.requestTag(c.role, a.counter, a.seq),
	}
	a.option = c.cfg.Format.layout().appendRequest(nil, req, maxOptions)
	c.att, c.ownRequest = a, req
	if a.gated {
		acts = append(acts, Action{Kind: ActGate, On: true})
	}
	return append(acts, a.syn()), nil
}

func (a *attempt) syn() Action {
	return Action{Kind: ActSendSYN, Seq: a.seq, Option: a.option}
}

// Cancel gives up an attempt that the peer has not answered.
func (c *Conn) Cancel(cause error) []Action {
	if c.att == nil || c.att.moved {
		return nil
	}
	return c.endAttempt(nil, cause)
}

// Unreachable takes an ICMP error about the segment of tuple t with sequence
// number seq. Where the path is only tried it is no soft error (RFC 5461, section
// 4.1). Who has not seen our SYN cannot know its number (RFC 5927, section 4.1).
func (c *Conn) Unreachable(t Tuple, seq uint32) (acts []Action) {
	if c.att == nil || c.att.moved || c.att.tuple != t || c.att.seq != seq {
		return nil
	}
	return c.endAttempt(append(acts, count(CountUnreachable)), ErrUnreachable)
}

// endAttempt leaves the connection where it was.
func (c *Conn) endAttempt(acts []Action, err error) []Action {
	a := c.att
	c.att = a.before
	acts = append(acts, Action{Kind: ActDropPath})
	if a.gated && (c.att == nil || c.att.covered) {
		acts = append(acts, Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	return append(acts, Action{Kind: ActDone, Err: err})
}

// repeatAttempt is the attempt's timer.
func (c *Conn) repeatAttempt(acts []Action, now Time, tcb TCB) []Action {
	a := c.att
	if a.moved {
		if a.completions == maxCompletions {
			// The peer may never have moved. What comes next from it, a RST
			// or nothing, TCP deals with.
			c.att = nil
			c.settleDrains(now)
			if !a.covered {
				acts = append(acts, Action{Kind: ActGate}, Action{Kind: ActPush})
			}
			return acts
		}
		a.completions++
		a.rto = backoff(a.rto)
		a.next = now.Add(a.rto)
		return append(acts, c.third(tcb))
	}
	if limit, err := c.persistence(); a.sends == limit {
		return c.endAttempt(append(acts, count(CountNoAnswer)), err)
	}
	a.sends++
	a.sentAt = now
	a.rto = backoff(a.rto)
	a.next = now.Add(a.rto)
	return append(acts, a.syn())
}

// persistence is how many SYNs are sent without an answer, and the error after that.
func (c *Conn) persistence() (sends int, err error) {
	if c.role == Acceptor {
		return maxAcceptorSYNSends, errNoEntry
	}
	return maxSYNSends, ErrNoAnswer
}

// answered takes a segment that has come on the path on trial.
func (c *Conn) answered(now Time, s Segment, tcb TCB) (acts []Action) {
	a := c.att
	switch {
	case !s.ACK || s.Ack != a.seq+1:
		// Not an answer to our SYN (RFC 9293, section 3.10.7.3).
		return append(acts, count(CountBadSYNACK))
	case s.RST:
		return c.endAttempt(append(acts, count(CountRefused)), ErrPeerRefused)
	case !s.SYN:
		// Step 3 has overtaken the SYN-ACK, and so may have been seen by a
		// middlebox that did not know the window scale yet.
		return nil
	}
	r, ok := ParseRequest(c.cfg.Format, s.Options)
	if ok && r.ReqNo != uint8(a.counter) {
		// Late, of an earlier attempt from this tuple.
		return append(acts, count(CountBadSYNACK))
	}
	if !ok || !c.provenSYNACK(r, s.Seq) || !plausible(s.Seq+1, tcb) {
		return c.endAttempt(append(acts, count(CountUnproven)), ErrNotProven)
	}
	c.done = max(c.done, a.counter-1) // as the peer does when it takes a request
	a.rtt = now.Sub(a.sentAt)
	var rtt time.Duration
	if a.sends == 1 {
		rtt = a.rtt
	}
	if a.probe {
		c.att = a.before
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
	c.initiated++

	re := Rebind{RTT: rtt, KeepCC: onlyPorts(a.tuple, a.old), OldAlive: c.hold == nil && a.oldAlive(tcb)}
	c.hold, c.finished = nil, nil
	re.PeerRcvNxt, re.HasPeerRcvNxt = c.peerRcvNxt(r.Token, tcb)
	acts = append(acts, Action{Kind: ActRebind, Rebind: re}, c.third(tcb))
	if a.covered {
		acts = append(acts, Action{Kind: ActPush})
	} else {
		acts = append(acts, Action{Kind: ActGate, On: true})
	}
	acts = c.drainFrom(acts, now, a.old, tcb.SRTT)
	return append(acts, count(CountInitiated), Action{Kind: ActDone, Rebind: re})
}

// oldAlive reports whether the peer has been heard of on the old path since the
// attempt began: it has acknowledged something, or sent a newer timestamp.
func (a *attempt) oldAlive(tcb TCB) bool {
	return !a.gated && (tcb.SndUna != a.seq+1 || tcb.TSRecent != a.tsRecent)
}

// provenSYNACK checks the Migrate option of a SYN-ACK with sequence number seq.
func (c *Conn) provenSYNACK(r Request, seq uint32) bool {
	a := c.att
	if !c.suite.rolling() && seq == a.seq {
		return false // our own SYN, sent back
	}
	return r.ReqNo == uint8(a.counter) && r.Tag == c.keys.synackTag(c.role.peer(), a.counter, seq, r.Token)
}

// third is step 4 of section 5: the cover, or before a scaled window has been
// seen an ACK that goes no further than a strict middlebox allows.
func (c *Conn) third(tcb TCB) Action {
	if c.prov != nil {
		// ActSendACK would go to the peer's path on trial. ACKOption has the
		// same option, and the cover has been sent.
		return Action{Kind: ActAnswer}
	}
	seq := tcb.SndNxt
	if !c.att.covered {
		seq = c.att.seq + 1
	}
	return Action{
		Kind: ActSendACK, Seq: seq, Ack: c.att.ack,
		Option: c.cfg.Format.layout().appendRequest(nil, c.proof(seq, tcb), maxOptions),
	}
}

// proof is the Migrate option of an ACK by which this end completes its
// request.
func (c *Conn) proof(seq uint32, tcb TCB) Request {
	r := Request{ReqNo: uint8(c.att.counter), Token: c.keys.token(c.role, c.att.counter)}
	if c.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-c.keys.irs, c.att.nonce)
	}
	r.Tag = c.keys.ackTag(c.role, c.att.counter, seq, r.Token)
	return r
}

// completing takes a segment on the current path after the move.
func (c *Conn) completing(now Time, s Segment, tcb TCB) (acts []Action, consumed bool) {
	a := c.att
	switch {
	case s.RST:
		return nil, false
	case s.SYN:
		r, ok := ParseRequest(c.cfg.Format, s.Options)
		if !ok || !s.ACK || !c.provenSYNACK(r, s.Seq) || !plausible(s.Seq+1, tcb) {
			return append(acts, count(CountBadSYNACK)), true
		}
		// The peer may have given up in between and taken a late SYN of ours
		// since: its numbers are new ones then.
		a.ack, a.nonce = s.Seq+1, uint32(r.Token)
		acts = append(acts, c.third(tcb))
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
		acts = append(acts, c.third(tcb), Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	// Only step 5 says that the peer has moved. Anything else may have been sent
	// before our ACK arrived, or when the connection was here the last time.
	r, ok := ParseRequest(c.cfg.Format, s.Options)
	if ok && c.keys.provenACK(r, a.counter, a.nonce, s.Seq) {
		c.done = max(c.done, a.counter)
		c.settleDrains(now)
		if a.covered {
			c.att = nil
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
