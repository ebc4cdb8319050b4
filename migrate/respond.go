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
func (c *Conn) SYN(now Time, t, cur Tuple, r Request, counter uint64, seq, tsval uint32, tcb TCB) (acts []Action) {
	if c.keys == nil || !tcb.Movable {
		return append(acts, count(CountWrongState))
	}
	counter, ok := c.fresh(r, counter)
	switch {
	case !c.suite.rolling() && r == c.ownRequest:
		return append(acts, count(CountReflected))
	case !ok:
		return append(acts, count(CountStaleRequest))
	case t == cur:
		return append(acts, count(CountDuplicateSYN))
	case !plausible(seq+1, tcb):
		return append(acts, count(CountBadSequence))
	}
	if c.state == Ready {
		// Only who has checked our Key-Confirm asks, with a tag that says no
		// less than its own.
		c.state, c.neg = Confirmed, nil
	}
	if p := c.prov; p != nil && counter == p.counter {
		if t != p.tuple {
			return append(acts, count(CountReplayedTuple))
		}
		return c.answerAgain(append(acts, count(CountDuplicateSYN)), now, tcb)
	}
	// Crossing requests, section 5.
	if a := c.att; a != nil && !a.moved {
		if c.role == Opener && a.sends == 1 {
			return append(acts, count(CountCrossedIgnored))
		}
		acts = c.endAttempt(append(acts, count(CountCrossedYielded)), ErrYielded)
	}
	if a := c.att; a != nil && !a.covered {
		// The cover cannot be sent while another path is on trial. The window
		// that it waits for is a moment away.
		return append(acts, count(CountCrossedIgnored))
	}
	if counter-1 > c.peerDone {
		// Lower ones are void, so that the peer's next ones are within the
		// window even if this one is never completed.
		c.peerDone, c.tokensChanged = counter-1, true
	}
	p := &provisional{
		tuple: t, old: cur, counter: counter, peerSeq: seq, tsval: tsval, seq: tcb.SndUna - 1,
		nonce: c.keys.nonce(counter, now), sentAt: now, rto: synRTO(tcb.SRTT),
	}
	p.next = now.Add(p.rto)
	c.prov = p
	if c.undrain(t) {
		acts = append(acts, Action{Kind: ActDropDrain, Tuple: t})
	}
	acts = append(acts, Action{Kind: ActOpenPath, Tuple: t})
	return c.sendSYNACK(acts, now, tcb)
}

// fresh returns the full counter of a request that is not of the past.
func (c *Conn) fresh(r Request, counter uint64) (uint64, bool) {
	if c.suite.rolling() {
		return counter, counter > c.peerDone && counter <= c.peerDone+tokenWindow
	}
	ahead := r.ReqNo - uint8(c.peerDone) // serial arithmetic (RFC 1982)
	return c.peerDone + uint64(ahead), ahead >= 1 && ahead <= serialWindow
}

// Provisional returns the tuple of a request of the peer that has not been
// completed yet.
func (c *Conn) Provisional() (t Tuple, ok bool) {
	if c.prov == nil {
		return t, false
	}
	return c.prov.tuple, true
}

// DropProvisional gives up a request of the peer, which can not complete it
// because the address that it wants to reach is gone.
func (c *Conn) DropProvisional() []Action {
	if c.prov == nil {
		return nil
	}
	c.prov = nil
	return []Action{count(CountPathExpired), {Kind: ActDropPath}}
}

// PathFailed tells that ActOpenPath could not be done.
func (c *Conn) PathFailed() []Action {
	c.prov = nil
	return []Action{{Kind: ActDropPath}}
}

// sendSYNACK sends steps 2 and 3 of section 5.
func (c *Conn) sendSYNACK(acts []Action, now Time, tcb TCB) []Action {
	p := c.prov
	p.sends++
	p.lastAt = now
	r := Request{ReqNo: uint8(p.counter), Token: c.keys.token(c.role, p.counter)}
	if c.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-c.keys.irs, p.nonce)
	}
	r.Tag = c.keys.synackTag(c.role, p.counter, p.seq, r.Token)
	first := p.peerSeq + 1
	acts = append(acts, Action{
		Kind: ActSendSYNACK, Seq: p.seq, Ack: first,
		Option: c.cfg.Format.layout().appendRequest(nil, r, maxOptions),
	})
	if int32(tcb.RcvAcc-first) > maxUnscaled {
		acts = append(acts, Action{Kind: ActSendACK, Seq: p.seq + 1, Ack: first})
	}
	return acts
}

// answerAgain repeats the SYN-ACK for a segment that shows its loss.
func (c *Conn) answerAgain(acts []Action, now Time, tcb TCB) []Action {
	if now.Sub(c.prov.lastAt) < minSYNACKInterval {
		return acts
	}
	return c.sendSYNACK(acts, now, tcb)
}

// repeatSYNACK is the provisional path's timer.
func (c *Conn) repeatSYNACK(acts []Action, now Time, tcb TCB) []Action {
	p := c.prov
	if p.repeats++; p.repeats == maxSYNACKSends {
		c.prov = nil
		return append(acts, count(CountPathExpired), Action{Kind: ActDropPath})
	}
	p.rto = backoff(p.rto)
	p.next = now.Add(p.rto)
	return c.sendSYNACK(acts, now, tcb)
}

// onProvisional takes a segment on the provisional path.
func (c *Conn) onProvisional(now Time, s Segment, tcb TCB) (acts []Action, consumed bool) {
	p := c.prov
	if s.RST {
		// The initiator's host no longer knows what our SYN-ACK answers.
		if s.Seq == p.peerSeq+1 {
			c.prov = nil
			acts = append(acts, count(CountRefused), Action{Kind: ActDropPath})
		}
		return acts, true
	}
	r, ok := ParseRequest(c.cfg.Format, s.Options)
	if !ok || s.SYN || !s.ACK || !c.completes(r, s.Seq) {
		return c.answerAgain(append(acts, count(CountUnproven)), now, tcb), true
	}
	c.prov = nil
	if a := c.att; a != nil && a.moved {
		// An earlier move of our own that the peer, who asks for the next
		// one from wherever it is, has no use for.
		c.att = nil
	}
	c.peerDone = p.counter
	c.tokensChanged = true
	c.accepted++
	c.finished = &finished{keys: c.keys, counter: p.counter, nonce: p.nonce, until: now.Add(drainTime)}
	re := Rebind{KeepCC: onlyPorts(p.tuple, p.old), OldAlive: c.hold == nil && p.oldAlive(tcb)}
	if p.sends == 1 {
		re.RTT = now.Sub(p.sentAt)
	}
	re.PeerRcvNxt, re.HasPeerRcvNxt = c.peerRcvNxt(r.Token, tcb)
	c.hold = nil
	acts = append(acts,
		Action{Kind: ActRebind, Rebind: re},
		Action{
			Kind: ActSendACK, Seq: tcb.SndNxt, Ack: tcb.RcvNxt,
			Option: c.cfg.Format.layout().appendRequest(nil, c.receipt(tcb), maxOptions),
		},
		Action{Kind: ActPush},
	)
	acts = c.drainFrom(acts, now, p.old, tcb.SRTT)
	c.settleDrains(now) // the initiator moves first
	return append(acts, count(CountAccepted)), s.Len == 0
}

// oldAlive reports whether the peer has sent anything on the old path after its
// SYN: an initiator whose path is broken does not. What it sent before may arrive
// later, but with timestamps that are not newer than the SYN's.
func (p *provisional) oldAlive(tcb TCB) bool {
	return p.tsval != 0 && int32(tcb.TSRecent-p.tsval) > 0
}

// completes reports whether an ACK with sequence number seq and option r is the
// peer's step 4.
func (c *Conn) completes(r Request, seq uint32) bool {
	p := c.prov
	if seq-(p.peerSeq+1) > maxBehind {
		// Before what the SYN announced: it is the SYN, played again, in a
		// suite whose tags are the same on all segments.
		return false
	}
	if !c.suite.rolling() && seq-p.seq <= 1 {
		return false // our own SYN-ACK, sent back
	}
	return c.keys.provenACK(r, p.counter, p.nonce, seq)
}

// provenACK checks the Migrate option of steps 4 and 5, which came from the
// peer on a segment with sequence number seq.
func (k *keys) provenACK(r Request, counter uint64, nonce, seq uint32) bool {
	if r.ReqNo != uint8(counter) || r.Tag != k.ackTag(k.role.peer(), counter, seq, r.Token) {
		return false
	}
	return !k.suite.rolling() || uint32(r.Token) == nonce
}

// finished is the last migration that the peer has completed, as long as its
// initiator may not know that.
type finished struct {
	keys    *keys // the peer's for this request, whatever has been bound since
	counter uint64
	nonce   uint32
	until   Time
	answer  bool // the initiator has repeated its ACK
}

// receipt is the Migrate option of step 5.
func (c *Conn) receipt(tcb TCB) Request {
	f := c.finished
	r := Request{ReqNo: uint8(f.counter), Token: f.keys.token(c.role, f.counter)}
	if c.suite.rolling() {
		r.Token = rcvNxtField(tcb.RcvNxt-f.keys.irs, f.nonce)
	}
	r.Tag = f.keys.ackTag(c.role, f.counter, tcb.SndNxt, r.Token)
	return r
}

// Segment takes a segment that came on another tuple than the current one, cur,
// or on any while Watching. It reports whether TCP has nothing more to do with
// the segment.
func (c *Conn) Segment(now Time, s Segment, cur Tuple, tcb TCB) (acts []Action, consumed bool) {
	switch {
	case s.RST && s.Tuple != cur && c.state == Confirmed && s.Seq == tcb.RcvNxt && c.meant(s.Options, s.Seq):
		// The peer's application aborted, from where the connection has been
		// or is about to be.
		return []Action{count(CountAborted), {Kind: ActFail, Err: ErrAborted}}, true
	case c.att != nil && !c.att.moved && s.Tuple == c.att.tuple:
		return c.answered(now, s, tcb), true
	case c.prov != nil && s.Tuple == c.prov.tuple:
		return c.onProvisional(now, s, tcb)
	case c.att != nil && c.att.moved && s.Tuple == cur && cur == c.att.tuple:
		return c.completing(now, s, tcb)
	default:
		// A tuple that drains brings data only.
		c.late(now, s.Tuple)
		return nil, s.Tuple != cur && (s.SYN || s.RST)
	}
}
