// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// migrateAck handles the peer's report that everything below ack has arrived.
//
// +checklocks:s.ep.mu
func (s *sender) migrateAck(ack seqnum.Value) {
	if !(ack - 1).InRange(s.SndUna, s.SndNxt) {
		return
	}
	acked := s.SndUna.Size(ack)
	rightEdge := s.SndUna.Add(s.SndWnd)
	s.SndUna = ack
	s.SndWnd = 0
	if ack.LessThan(rightEdge) {
		s.SndWnd = ack.Size(rightEdge)
	}
	for left := acked; left > 0; {
		seg := s.writeList.Front()
		n := seg.logicalLen()
		if n > left {
			seg.TrimFront(left)
			seg.sequenceNumber.UpdateForward(left)
			break
		}
		if s.writeNext == seg {
			s.updateWriteNext(seg.Next())
		}
		s.writeList.Remove(seg)
		seg.DecRef()
		left -= n
	}
	s.ep.scoreboard.Delete(s.SndUna)
	s.ep.updateSndBufferUsage(int(acked))
}

// migrate prepares the sender for another path, where nothing is in flight. Segments
// that are neither acknowledged nor SACKed become late if the old path is alive, else
// unsent (M601). Congestion control and the rest start anew, unless only ports differ
// (M602, M603).
//
// +checklocks:s.ep.mu
// +checklocksexclude:s.rtt.rttMutex
func (s *sender) migrate(r migrationRebind) {
	inFlight, minRTT := s.Outstanding > 0, s.rc.minRTT
	if d := s.lateFor(r.RTT); r.OldAlive && d > 0 {
		s.keepLate(d)
	}
	s.rewind()
	s.firstRetransmittedSegXmitTime = tcpip.MonotonicTime{}
	s.zeroWindowProbing = false
	s.unackZeroWindowProbes = 0
	if !r.KeepCC {
		s.migrateMSS(r.PeerMSS)
		s.coalesce()
		s.rtt.Lock()
		s.rtt.TCPRTTState = TCPRTTState{}
		s.rtt.Unlock()
		s.RTO = InitialRTO
		s.cc = s.initCongestionControl(s.ep.cc)
		s.ep.mig.spacing = 0
	} else if inFlight {
		// The path is the same, but all data in flight is lost. Slow start
		// from the restart window (RFC 5681, section 4.1) up to the former
		// window.
		if s.FastRecovery.Active {
			s.SndCwnd = s.Ssthresh // which PRR approaches (RFC 9937)
		}
		if s.Ssthresh == InitialSsthresh || s.Ssthresh < s.SndCwnd {
			s.Ssthresh = s.SndCwnd
		}
		s.SndCwnd = min(s.SndCwnd, InitialCwnd)
		s.cc.PostRecovery()
	}
	s.migrateRecovery()
	switch {
	case r.KeepCC:
		s.rc.minRTT = minRTT
	case r.RTT > 0:
		s.updateRTO(r.RTT)
		s.rc.minRTT = r.RTT
	}
	s.startSpread(r.RTT)
	s.RTTMeasureSeqNum = s.SndNxt
}

// rewind marks all segments as unsent. RACK would otherwise judge them by their times
// on the old path. sendData passes over the segments that the peer has SACKed, so
// these keep an xmitCount of 0 in front of writeNext.
//
// +checklocks:s.ep.mu
func (s *sender) rewind() {
	s.resendTimer.disable()
	s.probeTimer.disable()
	s.reorderTimer.disable()
	s.rc.ptoExpired = false
	for seg := s.writeList.Front(); seg != nil; seg = seg.Next() {
		seg.xmitCount = 0
		seg.lost = false
		seg.acked = false
	}
	s.updateWriteNext(s.writeList.Front())
	s.Outstanding = 0
	s.SackedOut = 0
	s.DupAckCount = 0
}

// coalesce joins segments that will be sent again, because the segment size may have
// changed. maybeSendSegment splits them where it has to.
//
// +checklocks:s.ep.mu
func (s *sender) coalesce() {
	const maxJoined = math.MaxUint16
	for seg := s.writeList.Front(); seg != nil; seg = seg.Next() {
		if !s.missing(seg) {
			continue
		}
		for next := seg.Next(); s.missing(next) && seg.payloadSize()+next.payloadSize() <= maxJoined; next = seg.Next() {
			seg.merge(next)
			s.writeList.Remove(next)
			next.DecRef()
		}
	}
}

// missing reports whether seg has data that was sent and that the peer has not
// SACKed. seg may be nil.
//
// +checklocks:s.ep.mu
func (s *sender) missing(seg *segment) bool {
	return seg != nil && seg.payloadSize() > 0 && s.isAssignedSequenceNumber(seg) && !s.ep.scoreboard.IsSACKED(seg.sackBlock())
}

// migrateRecovery starts loss recovery anew. It keeps the peer's SACKs: a receiver
// that reneges is handled by the next retransmission timeout (RFC 6675, section 5.1).
// The handshake has shown that the path works, so the timeout is not backed off.
//
// +checklocks:s.ep.mu
// +checklocksexclude:s.rtt.rttMutex
func (s *sender) migrateRecovery() {
	last := s.SndUna - 1
	s.state = tcpip.Open
	s.resetRTO()
	s.timeoutUna = last
	s.FastRecovery = TCPFastRecoveryState{Last: last, HighRxt: last, RescueRxt: last}
	s.spuriousRecovery = false
	s.retransmitTS = 0
	s.rc = rackControl{}
	s.rc.init(s, last)

	old := s.ep.scoreboard
	s.ep.scoreboard = NewSACKScoreboard(uint16(s.MaxPayloadSize), last)
	old.ranges.Ascend(func(b header.SACKBlock) bool {
		s.ep.scoreboard.Insert(b)
		return true
	})
}

// minMSS4 and minMSS6 keep a peer's SYN from making segments tiny: every host takes as
// much (RFC 9293, section 3.7.1).
const (
	minMSS4 = 536
	minMSS6 = 1220
)

// migrateMSS computes the size of segments for the route as initSender does
// for a new connection. An MSS below the least one does not count, unless the connection
// had it already (M609).
//
// +checklocks:s.ep.mu
func (s *sender) migrateMSS(peerMSS uint16) {
	e := s.ep
	e.amss = calculateAdvertisedMSS(e.userMSS, e.route)
	e.sndQueueInfo.sndQueueMu.Lock()
	e.sndQueueInfo.SndMTU = math.MaxInt32
	e.sndQueueInfo.PacketTooBigCount = 0
	e.sndQueueInfo.sndQueueMu.Unlock()

	mss := int(e.route.MTU()) - header.TCPMinimumSize
	if peerMSS != 0 {
		least := minMSS4
		if e.route.NetProto() == header.IPv6ProtocolNumber {
			least = minMSS6
		}
		least = min(least, s.MaxPayloadSize+e.maxOptionSize())
		mss = min(mss, max(int(peerMSS), least))
	}
	s.MaxPayloadSize = max(mss-e.maxOptionSize(), 1)

	e.gso = stack.GSO{}
	e.initGSO()
	s.gso = e.gso.Type != stack.GSONone
	if s.gso {
		e.gso.MSS = uint16(s.MaxPayloadSize)
	}
}
