// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
)

// ackClamp keeps the ACK field of sent segments within the data that the current
// path has carried (M641). A stateful middlebox on a new path has not seen the data of the
// old path. An acknowledgement of that data is invalid to it. The middlebox's host
// may answer it by a RST that TCP has to accept.
type ackClamp struct {
	// on: some received byte is above highest, or an old tuple may still bring
	// such bytes.
	on bool
	// owed: an acknowledgement has been sent that was lower than RCV.NXT.
	owed bool
	// peer: the peer may clamp, too. Its acknowledgements below SND.UNA are
	// answered by a segment at SND.NXT (M646).
	peer bool
	// highest is the highest sequence number received on this path (M642).
	highest seqnum.Value
	// cover is RCV.NXT, or the end of the last out-of-order segment, at the
	// time of the move.
	cover seqnum.Value
	// una is SND.UNA at the time of the move.
	una seqnum.Value
	// responder: the peer asked for the move. Then edge is the right edge of the
	// windows that this path has seen from the peer (M647).
	responder bool
	edge      seqnum.Value
}

// limited reports whether segments without payload stay within the windows that the path
// has seen. It ends when the peer acknowledges SND.UNA of the move: from then on
// middleboxes have the true window.
func (c *ackClamp) limited() bool { return c.peer && c.responder }

// limit lowers the sequence number of a segment without payload to the edge (M647). A
// strict tracker drops a segment beyond, and its host may answer by a RST. The edge may be
// below SND.UNA, so it does not follow from SND.WND.
func (c *ackClamp) limit(seq seqnum.Value) seqnum.Value {
	if c.limited() && c.edge.LessThan(seq) {
		return c.edge
	}
	return seq
}

// startClamp starts the clamp. The path has carried the peer's SYN so far.
//
// +checklocks:e.mu
func (e *Endpoint) startClamp(peerStart seqnum.Value) {
	c := &e.mig.busy.clamp
	*c = ackClamp{on: true, peer: true, highest: peerStart, cover: e.rcv.RcvNxt, una: e.snd.SndUna}
	e.clampLate()
}

// clampLate extends cover to all data that has arrived.
//
// +checklocks:e.mu
func (e *Endpoint) clampLate() {
	c := &e.mig.busy.clamp
	if c.cover.LessThan(e.rcv.RcvNxt) {
		c.cover = e.rcv.RcvNxt
	}
	for _, b := range e.sack.Blocks[:e.sack.NumBlocks] {
		if c.cover.LessThan(b.End) {
			c.cover = b.End
		}
	}
}

// clampReceived notes that a segment that ends at end has come along the current path.
//
// +checklocks:e.mu
func (e *Endpoint) clampReceived(end seqnum.Value, pure bool) {
	c := &e.mig.busy.clamp
	// The peer sends nothing beyond the window, which was rounded up. A segment
	// there is a guess of somebody else.
	if c.highest.LessThan(end) && end.LessThanEq(e.rcv.RcvAcc.Add(1<<e.rcv.RcvWndScale)) {
		c.highest = end
		if pure && !c.responder && end.LessThan(e.rcv.RcvNxt) {
			// A responder that may not go beyond its edge waits for this
			// window to go on (M648).
			e.snd.sendAck()
		}
	}
	if c.owed && e.rcv.RcvNxt.LessThanEq(c.highest) { // M645
		c.owed = false
		e.snd.sendAck()
	}
	e.unclamp()
}

// unclamp ends the clamp once cover is reached and no old tuple drains.
//
// +checklocks:e.mu
func (e *Endpoint) unclamp() {
	b := e.mig.busy
	if c := &b.clamp; c.on && len(b.drains) == 0 && c.cover.LessThanEq(c.highest) {
		c.on = false
	}
	e.mig.update()
}

// clampAck lowers the ACK field of a segment to the highest sequence number that the
// current path has carried (M642). The window ends where it would without the clamp.
//
// +checklocks:e.mu
func (e *Endpoint) clampAck(ack seqnum.Value, wnd seqnum.Size) (seqnum.Value, seqnum.Size) {
	c := e.mig.clamp()
	if c == nil || !c.highest.LessThan(ack) {
		return ack, wnd
	}
	c.owed = true
	return c.highest, e.windowFrom(c.highest, ack, wnd)
}

// clampSACK leaves out SACK blocks above the highest sequence number that the current
// path has carried (M643).
func (m *migration) clampSACK(blocks []header.SACKBlock) (covered []header.SACKBlock) {
	c := m.clamp()
	if c == nil {
		return blocks
	}
	for _, b := range blocks {
		if b.End.LessThanEq(c.highest) {
			covered = append(covered, b)
		}
	}
	return covered
}

// clamp returns the clamp if it is on, else nil.
func (m *migration) clamp() *ackClamp {
	if m.busy == nil || !m.busy.clamp.on {
		return nil
	}
	return &m.busy.clamp
}

// clampPeer handles an acknowledgement of a peer that may clamp (M646). One below
// SND.UNA is raised to SND.UNA.
//
// +checklocks:e.mu
func (e *Endpoint) clampPeer(s *segment) {
	c := &e.mig.busy.clamp
	if !s.flags.Contains(header.TCPFlagAck) || s.flags&(header.TCPFlagSyn|header.TCPFlagRst) != 0 {
		return
	}
	if c.una.LessThanEq(s.ackNumber) {
		c.peer = false
		e.mig.update()
		return
	}
	// Keep the right edge, but express it as TCP expects it, unscaled here
	// since the caller scales.
	right := s.ackNumber.Add(s.window << e.snd.SndWndScale)
	if c.edge.LessThan(right) {
		c.edge = right
	}
	s.ackNumber = e.snd.SndUna
	s.window = 0
	if s.ackNumber.LessThan(right) {
		s.window = s.ackNumber.Size(right) >> e.snd.SndWndScale
	}
	// Our segment at SND.NXT has not arrived yet. A segment with payload is
	// acknowledged anyway, at SND.NXT.
	if s.payloadSize() == 0 {
		e.snd.sendAck()
	}
}
