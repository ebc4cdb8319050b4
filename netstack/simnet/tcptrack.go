// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// maxRetrans is how many times the same segment may be seen again before the
// entry's time is cut short: nf_conntrack_tcp_max_retrans.
const maxRetrans = 3

// ctVerdict is the verdict of tracking on a packet.
type ctVerdict uint8

const (
	ctAccept  ctVerdict = iota
	ctIgnored           // passes, but taught the tracker nothing
	ctInvalidPacket
	ctReopen // the entry is over: forget it and look at the packet again
	ctKill   // passes, and the entry is over
)

// tcpTracker follows one TCP connection.
type tcpTracker struct {
	state   tcpState
	peers   [2]peerWindow // by ctDir of the peer's segments
	replied bool          // something valid came in the reply direction
	assured bool          // the connection has been established in both
	last    lastSegment
	retrans int

	// Two notes about the last segments, see note and track.
	challenge    bool // a challenge ACK (RFC 5961) may follow in LAST_ACK
	simultaneous bool // both ends have sent a SYN
}

// lastSegment holds the fields of a segment by which retransmissions and the answers to
// ignored segments are recognised.
type lastSegment struct {
	class         segmentClass
	dir           ctDir
	seq, ack, end uint32
	win           uint16
	syn           synOptions
}

// open begins with the first segment of a connection, or says why it can't.
func (t *tcpTracker) open(s *segment, cfg *Conntrack) (reason string) {
	switch nextState(tcpNone, ctOriginal, classify(s.flags)) {
	case tcpSynSent:
		t.peers[ctOriginal].open(s)
	case tcpEstablished:
		if cfg.NoPickup {
			return "not the start of a connection (tcp_loose=0)"
		}
		w := &t.peers[ctOriginal]
		w.end = s.end()
		w.maxWin = max(uint32(s.win), 1)
		w.maxEnd = w.end + w.maxWin
		for d := range t.peers {
			// Scaling and SACK are not known: don't enforce, look at SACKs.
			t.peers[d].liberal, t.peers[d].sackOK = true, true
		}
	default:
		return "invalid new"
	}
	return ""
}

// established says that the hosts have talked in both directions.
func (t *tcpTracker) established() bool { return t.state == tcpEstablished && t.assured }

// track takes a segment in direction d and returns the verdict. The reason explains
// every verdict but ctAccept. The timeout is the entry's new one, zero to leave it.
func (t *tcpTracker) track(s *segment, d ctDir, cfg *Conntrack) (v ctVerdict, reason string, timeout time.Duration) {
	class := classify(s.flags)
	old := t.state
	next := nextState(old, d, class)
	checked := true

	switch next {
	case tcpInvalid:
		return ctInvalidPacket, fmt.Sprintf("%v in %v direction is invalid in state %v", class, d, old), 0
	case tcpSynSent:
		if old >= tcpTimeWait {
			if t.over(d) {
				return ctReopen, "", 0
			}
			return t.note(s, d, class)
		}
	case tcpIgnore:
		if class != classSYNACK || !t.answersNoted(s, d) {
			return t.note(s, d, class)
		}
		// The hosts have agreed on a SYN that was only noted: start over.
		t.resync(d)
		old, next = tcpSynSent, tcpSynRecv
	case tcpTimeWait:
		if old == tcpLastAck && class == classACK && t.challenge && t.last.class == classSYN && t.last.dir != d {
			t.challenge = false
			return ctIgnored, "challenge ACK", 0
		}
	case tcpSynSent2:
		t.simultaneous = true
	case tcpSynRecv:
		if d == ctReply && class == classACK && t.simultaneous {
			next = tcpEstablished
		}
	case tcpClose:
		if class == classRST {
			if next, checked, reason = t.reset(s, d); reason != "" {
				return ctInvalidPacket, reason, 0
			}
		}
	}

	if checked {
		switch w, why := t.window(s, d, class, cfg); w {
		case tolerated:
			return ctIgnored, why, 0
		case outOfWindow:
			return ctInvalidPacket, why, t.shorten(class, d, cfg)
		}
	}
	t.last.class, t.last.dir = class, d
	t.state = next
	if old != next && next == tcpFinWait {
		t.peers[d].closeInit = true
	}
	v, timeout = t.timeout(class, old, next, cfg)
	return v, "", timeout
}

// over reports whether a SYN in direction d, in TIME_WAIT or CLOSE, begins a
// new connection.
func (t *tcpTracker) over(d ctDir) bool {
	return t.peers[0].closeInit || t.peers[1].closeInit || t.last.class == classRST && t.last.dir == d
}

// note remembers a segment that is let through unjudged, since its answer will
// tell whether the hosts or the tracker are out of step.
func (t *tcpTracker) note(s *segment, d ctDir, class segmentClass) (ctVerdict, string, time.Duration) {
	if class == classSYN && d == ctOriginal {
		t.last.syn = parseSYN(s.opts)
		t.challenge = t.state == tcpLastAck
		t.simultaneous = false
	}
	t.last.class, t.last.dir = class, d
	t.last.seq, t.last.end, t.last.win = s.seq, s.end(), s.win
	if t.state == tcpSynSent && class == classACK && d == ctReply {
		t.last.ack = s.ack
	}
	return ctIgnored, fmt.Sprintf("%v in %v direction ignored in state %v", class, d, t.state), 0
}

// answersNoted reports whether s, a SYN-ACK, acknowledges a SYN that was noted.
func (t *tcpTracker) answersNoted(s *segment, d ctDir) bool {
	return t.last.class == classSYN && t.last.dir != d && s.ack == t.last.end
}

// resync takes the noted SYN for the beginning. All knowledge of both windows is lost,
// in particular the sequence numbers sent so far.
func (t *tcpTracker) resync(d ctDir) {
	t.peers[d.reverse()] = peerWindow{
		end: t.last.end, maxEnd: t.last.end, maxWin: max(uint32(t.last.win), 1),
		synOptions: t.last.syn,
	}
	t.peers[d] = peerWindow{liberal: t.peers[d].liberal}
	t.challenge = false
}

// reset judges a RST (RFC 5961, 3.2). It returns the state to enter, whether
// the windows have to be checked, and a reason if the RST is invalid.
func (t *tcpTracker) reset(s *segment, d ctDir) (next tcpState, check bool, reason string) {
	switch t.state {
	case tcpFinWait, tcpLastAck, tcpTimeWait, tcpClose, tcpCloseWait:
		return tcpClose, false, "" // closing: the known numbers may be of an older connection
	}
	next = tcpClose
	if peer := &t.peers[d.reverse()]; peer.acked && t.last.class != classSYN {
		if s.seq == 0 && !t.established() {
			return tcpClose, true, "" // the answer to a SYN let through
		}
		if seqBefore(s.seq, peer.maxAck) {
			return 0, false, fmt.Sprintf("RST with seq %d before ACK %d", s.seq, peer.maxAck)
		}
		train := t.last.class == classACK && t.last.dir == d && s.seq == t.last.end
		if !t.established() || s.seq == peer.maxAck || train {
			return tcpClose, true, ""
		}
		// Not exactly RCV.NXT: a challenge ACK may follow, so stay.
		next = t.state
	}
	answersNoted := t.replied && t.last.class == classSYN || !t.assured && t.last.class == classACK
	if answersNoted && s.ack == t.last.end {
		return next, false, ""
	}
	if t.state == tcpSynSent && t.last.class == classACK && t.last.dir == ctReply && s.seq == t.last.ack {
		return next, false, "" // the answer to a challenge ACK
	}
	return next, true, ""
}

// window checks a segment against the windows and updates them.
func (t *tcpTracker) window(s *segment, d ctDir, class segmentClass, cfg *Conntrack) (windowVerdict, string) {
	sender, receiver := &t.peers[d], &t.peers[d.reverse()]
	seq, end, ack, sack := s.seq, s.end(), s.ack, s.ack
	if receiver.sackOK {
		sack = s.highestSACK()
	}
	syn := s.has(header.TCPFlagSyn)
	switch {
	case sender.maxWin == 0 && !syn:
		pickUp(sender, receiver, s, sack)
	case sender.maxWin == 0,
		// Another SYN before the connection is up may differ in all respects.
		syn && seqAfter(end, sender.end) && (t.state == tcpSynSent || t.state == tcpSynRecv):
		sender.open(s)
		if d == ctReply {
			agreeScale(sender, receiver)
		}
		if d == ctReply && class == classSYN {
			return inWindow, "" // simultaneous open
		}
	}
	if !s.has(header.TCPFlagAck) || class == classRST && ack == 0 {
		ack, sack = receiver.end, receiver.end
	}
	if class == classRST && seq == 0 && t.state == tcpSynSent {
		seq, end = sender.end, sender.end // the answer to a SYN
	}
	if w, why := checkWindow(sender, receiver, seq, end, sack, cfg.Legacy); w != inWindow {
		if sender.liberal || cfg.Liberal {
			return inWindow, ""
		}
		return w, why
	}
	updateWindows(sender, receiver, s, end, ack, sack)
	if class == classACK {
		t.countRetrans(lastSegment{dir: d, seq: seq, ack: ack, end: end, win: s.win})
	}
	return inWindow, ""
}

func (t *tcpTracker) countRetrans(now lastSegment) {
	now.class, now.syn = t.last.class, t.last.syn
	if t.last == now {
		t.retrans++
		return
	}
	t.last, t.retrans = now, 0
}

// timeout returns whether the entry lives on, and for how long.
func (t *tcpTracker) timeout(class segmentClass, old, next tcpState, cfg *Conntrack) (ctVerdict, time.Duration) {
	d := cfg.Timeouts.of(next)
	switch {
	case t.retrans >= maxRetrans:
		d = min(d, cfg.Timeouts.Retrans)
	case class == classRST:
		d = cfg.Timeouts.Close
	case t.peers[0].unacked || t.peers[1].unacked:
		d = min(d, cfg.Timeouts.Unacked)
	case t.last.win == 0:
		d = min(d, cfg.Timeouts.Retrans)
	}
	if t.replied {
		if !t.assured && (old == tcpSynRecv || old == tcpEstablished) && next == tcpEstablished {
			t.assured = true
		}
		return ctAccept, d
	}
	switch {
	case class == classRST:
		return ctKill, 0
	case class == classSYN && old == tcpSynSent:
		return ctAccept, 0 // a retransmitted SYN doesn't keep the entry alive
	case next == tcpEstablished:
		return ctAccept, min(d, cfg.Timeouts.Unacked)
	}
	return ctAccept, d
}

// shorten returns the timeout after an invalid FIN or RST. If both ends seem to be
// closing, the entry must not stay for days only because it is out of step.
func (t *tcpTracker) shorten(class segmentClass, d ctDir, cfg *Conntrack) time.Duration {
	closing := func(c segmentClass) bool { return c == classFIN || c == classRST }
	if !t.assured || !closing(class) {
		return 0
	}
	if t.last.dir != d && closing(t.last.class) {
		return cfg.Timeouts.Unacked
	}
	t.last.class, t.last.dir = class, d
	return 0
}
