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
	sends  int
	sentAt Time
	rto    time.Duration
	next   Time

	// scaled: the peer has sent a scaled window on the new path.
	scaled bool
	// covered: the cover, section 5, has been sent.
	covered     bool
	ack         uint32 // of the ACK: the peer's first unacknowledged number
	nonce       uint32
	completions int
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
	case c.att != nil && !c.att.moved:
		return nil, ErrBusy
	}
	// A request of the peer that has not been completed is void: the path on
	// trial is ours now. The peer asks again.
	c.prov = nil

	c.sent = min(c.sent+1, c.done+c.window())
	a := &attempt{
		tuple: t, old: old, counter: c.sent, probe: probe, gated: !keepOld,
		seq: tcb.SndUna - 1, sends: 1, sentAt: now, rto: synRTO(tcb.SRTT),
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

// endAttempt leaves the connection where it was.
func (c *Conn) endAttempt(acts []Action, err error) []Action {
	a := c.att
	c.att = nil
	acts = append(acts, Action{Kind: ActDropPath})
	if a.gated {
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
			return acts
		}
		a.completions++
		a.rto = backoff(a.rto)
		a.next = now.Add(a.rto)
		return append(acts, c.third(tcb))
	}
	if a.sends == maxSYNSends {
		return c.endAttempt(append(acts, count(CountNoAnswer)), ErrNoAnswer)
	}
	a.sends++
	a.rto = backoff(a.rto)
	a.next = now.Add(a.rto)
	return append(acts, a.syn())
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
		// Step 3 has overtaken the SYN-ACK.
		a.scaled = true
		return nil
	}
	field, ok := c.provenSYNACK(s)
	if !ok || !plausible(s.Seq+1, tcb) {
		return c.endAttempt(append(acts, count(CountUnproven)), ErrNotProven)
	}
	var rtt time.Duration
	if a.sends == 1 {
		rtt = now.Sub(a.sentAt)
	}
	if a.probe {
		c.att = nil
		return append(acts, Action{Kind: ActDropPath}, Action{Kind: ActDone, Rebind: Rebind{RTT: rtt}})
	}
	a.moved = true
	a.ack, a.nonce = s.Seq+1, uint32(field)
	if rtt > 0 {
		a.rto = min(max(rtt+rtt/2, minSYNRTO), maxSYNRTO)
	}
	a.next = now.Add(a.rto)
	a.covered = a.scaled || tcb.SndNxt-(a.seq+1) <= maxUnscaled
	c.initiated++
	c.hold = nil

	r := Rebind{RTT: rtt, KeepCC: onlyPorts(a.tuple, a.old)}
	r.PeerRcvNxt, r.HasPeerRcvNxt = c.peerRcvNxt(field, tcb)
	acts = append(acts, Action{Kind: ActRebind, Rebind: r}, c.third(tcb))
	if a.covered {
		acts = append(acts, Action{Kind: ActPush})
	} else {
		acts = append(acts, Action{Kind: ActGate, On: true})
	}
	acts = c.drainFrom(acts, now, a.old)
	return append(acts, count(CountInitiated), Action{Kind: ActDone, Rebind: r})
}

// provenSYNACK checks the Migrate option of a SYN-ACK.
func (c *Conn) provenSYNACK(s Segment) (field Token, ok bool) {
	r, ok := ParseRequest(c.cfg.Format, s.Options)
	if !ok || r.ReqNo != uint8(c.att.counter) {
		return 0, false
	}
	return r.Token, r.Tag == c.keys.synackTag(c.role.peer(), c.att.counter, s.Seq, r.Token)
}

// third is step 4 of section 5: the cover, or before a scaled window has been
// seen an ACK that goes no further than a strict middlebox allows.
func (c *Conn) third(tcb TCB) Action {
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
func (c *Conn) completing(s Segment, tcb TCB) (acts []Action, consumed bool) {
	a := c.att
	switch {
	case s.RST:
		return nil, false
	case s.SYN:
		if _, ok := c.provenSYNACK(s); !ok || !s.ACK {
			return append(acts, count(CountBadSYNACK)), true
		}
		// Our ACK was lost, and so was all that came after it.
		acts = append(acts, c.third(tcb))
		if a.covered {
			acts = append(acts, Action{Kind: ActPush, Lost: true})
		}
		return acts, true
	case a.counter > c.done:
		c.done = a.counter
	}
	if !a.covered {
		a.covered = true
		acts = append(acts, c.third(tcb), Action{Kind: ActGate}, Action{Kind: ActPush})
	}
	c.att = nil
	return acts, false
}
