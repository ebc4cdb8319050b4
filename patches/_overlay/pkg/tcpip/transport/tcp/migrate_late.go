// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
)

// late holds the segments that were in flight on a live path when the connection left
// it. They are late: delayed, not lost. They are kept outside of the write list. So
// the congestion window of the new path does not count them. Its loss recovery does not
// judge them by the segments and acknowledgements of the new path.
//
// Rules M671 to M678 say how late segments are treated.
//
// The endpoint's mutex protects it. gVisor's save and restore know nothing of it:
// see [Endpoint.migrateBeforeSave].
type late struct {
	// list is in the order of sequence numbers. A segment that the peer has SACKed
	// stays until SND.UNA is beyond it.
	list segmentList
	// end is SND.NXT at the move. No segment is late once SND.UNA has reached it.
	end seqnum.Value
	// lost is the number of segments of list that are marked as lost. They are
	// sent before new data, as the congestion window allows.
	lost int
	// timer marks as lost, when it expires, all segments that are not SACKed.
	timer timer

	spread spread
}

// lateFor returns how long the acknowledgement of data in flight may take when the
// connection leaves a live path (M674). The data goes along the old path, whose round trip
// RFC 6298 bounds. The acknowledgement comes back along the new path, whose
// round-trip time is rtt.
//
// It returns 0 if nothing can be late (M664). Then the round trip of the old path is
// unknown, or the peer cannot report which data of the new path has arrived.
//
// +checklocks:s.ep.mu
// +checklocksexclude:s.rtt.rttMutex
func (s *sender) lateFor(rtt time.Duration) time.Duration {
	if !s.ep.SACKPermitted || !s.ep.SendTSOk || s.ep.tcpRecovery&tcpip.TCPRACKLossDetection == 0 {
		return 0
	}
	s.rtt.Lock()
	defer s.rtt.Unlock()
	old := s.rtt.TCPRTTState
	if !old.SRTTInited {
		return 0
	}
	if rtt <= 0 {
		rtt = InitialRTO
	}
	return old.SRTT + 4*old.RTTVar + rtt
}

// keepLate moves the segments in flight from the write list to a new late list (M671).
// They are lost after d. Segments that were marked as lost on the old path stay so
// (M675).
//
// +checklocks:s.ep.mu
func (s *sender) keepLate(d time.Duration) {
	l := &late{end: s.SndNxt}
	for seg := s.writeList.Front(); seg != nil && seg != s.writeNext; seg = s.writeList.Front() {
		s.writeList.Remove(seg)
		l.list.PushBack(seg)
		if seg.lost = seg.lost && !s.ep.scoreboard.IsSACKED(seg.sackBlock()); seg.lost {
			l.lost++
		}
	}
	if l.list.Empty() {
		return
	}
	s.late = l
	l.timer.init(s.ep.stack.Clock(), timerHandler(s.ep, s.lateExpired))
	l.timer.enable(d)
	s.findLate()
}

// recallLate returns late segments to the write list, marked as lost (M677). Nobody
// knows whether segments sent on a path before the last one still arrive.
//
// +checklocks:s.ep.mu
func (s *sender) recallLate() {
	l := s.late
	if l == nil {
		return
	}
	for seg := l.list.Front(); seg != nil; seg = l.list.Front() {
		l.list.Remove(seg)
		seg.lost = true
		s.insertSent(seg)
	}
	s.dropLate()
}

// migrateBeforeSave prepares the endpoint for gVisor's save. The state of a move is
// not saved: a restored connection has no handler and stays on its current tuple.
// Late segments would be missing in it, so they return to the write list, and the
// retransmission timer, which is saved, sends them again.
//
// +checklocks:e.mu
func (e *Endpoint) migrateBeforeSave() {
	if e.snd == nil || e.snd.late == nil {
		return
	}
	e.snd.recallLate()
	e.snd.resendTimer.enable(e.snd.RTO)
}

// +checklocks:s.ep.mu
func (s *sender) dropLate() {
	s.endSpread()
	s.late.timer.cleanup()
	s.late = nil
}

// insertSent inserts seg into the write list, by its sequence number.
//
// +checklocks:s.ep.mu
func (s *sender) insertSent(seg *segment) {
	var before *segment
	for next := s.writeList.Front(); next != nil && s.isAssignedSequenceNumber(next) && next.sequenceNumber.LessThan(seg.sequenceNumber); next = next.Next() {
		before = next
	}
	if before == nil {
		s.writeList.PushFront(seg)
	} else {
		s.writeList.InsertAfter(before, seg)
	}
}

// PushFront pushes seg onto the front of the write list.
func (wl *protectedWriteList) PushFront(seg *segment) {
	if _, ok := wl.set[seg]; ok {
		panic("segment already in write list")
	}
	wl.writeList.PushFront(seg)
	wl.set[seg] = struct{}{}
}

// ackLate removes late data below ack, and returns how much there was.
//
// +checklocks:s.ep.mu
func (s *sender) ackLate(ack seqnum.Value) (acked seqnum.Size) {
	l := s.late
	if l == nil {
		return 0
	}
	for seg := l.list.Front(); seg != nil && seg.sequenceNumber.LessThan(ack); seg = l.list.Front() {
		n := seg.logicalLen()
		if part := seg.sequenceNumber.Size(ack); part < n {
			seg.TrimFront(part)
			seg.sequenceNumber.UpdateForward(part)
			return acked + part
		}
		acked += n
		l.list.Remove(seg)
		if seg.lost {
			l.lost--
		}
		seg.DecRef()
	}
	if l.end.LessThanEq(ack) {
		s.dropLate()
	}
	return acked
}

// sackedLate handles new SACK blocks, received at rcvdTime, while segments are late
// (M672). SND.UNA stands still then. So the SACKed packets of the new path, delivered in
// number, have the effect of an advance. They open the congestion window and restart the
// retransmission timer.
//
// +checklocks:s.ep.mu
// +checklocksexclude:s.rtt.rttMutex
func (s *sender) sackedLate(delivered int, rcvdTime tcpip.MonotonicTime) {
	if delivered > 0 && !s.FastRecovery.Active {
		s.cc.Update(delivered, s.rc.RTT, rcvdTime)
	}
	s.rc.ptoExpired = false
	s.probeTimer.disable()
	s.resendTimer.enable(s.RTO)

	s.findLate()
}

// findLate marks late segments as lost. A segment is lost once nDupAckThreshold
// packets that were sent after it have arrived (M673).
//
// +checklocks:s.ep.mu
func (s *sender) findLate() {
	var last [nDupAckThreshold]*segment // those sent last of the SACKed, latest first
	for seg := s.late.list.Front(); seg != nil; seg = seg.Next() {
		if !s.ep.scoreboard.IsSACKED(seg.sackBlock()) {
			continue
		}
		if seg.lost {
			seg.lost = false
			s.late.lost--
		}
		packets := s.pCount(seg, s.MaxPayloadSize)
		for i := 0; i < len(last) && packets > 0; i++ {
			if last[i] == nil || sentBefore(last[i], seg) {
				copy(last[i+1:], last[i:])
				last[i] = seg
				packets--
			}
		}
	}
	ref := last[len(last)-1]
	if ref == nil {
		return
	}
	for seg := s.late.list.Front(); seg != nil; seg = seg.Next() {
		if !seg.lost && sentBefore(seg, ref) && !s.ep.scoreboard.IsSACKED(seg.sackBlock()) {
			seg.lost = true
			s.late.lost++
		}
	}
}

// sentBefore reports whether a was sent before b, in RACK's order (RFC 8985, section
// 6.2).
func sentBefore(a, b *segment) bool {
	return a.xmitTime.Before(b.xmitTime) || a.xmitTime == b.xmitTime && a.sequenceNumber.LessThan(b.sequenceNumber)
}

// lateExpired is called when all late segments should have been acknowledged.
//
// +checklocks:s.ep.mu
// +checklocksexclude:s.rtt.rttMutex
func (s *sender) lateExpired() tcpip.Error {
	l := s.late
	if l == nil || !l.timer.checkExpiration() {
		return nil
	}
	for seg := l.list.Front(); seg != nil; seg = seg.Next() {
		if !seg.lost && !s.ep.scoreboard.IsSACKED(seg.sackBlock()) {
			seg.lost = true
			l.lost++
		}
	}
	s.sendData()
	return nil
}

// resendLate sends the late segments that are lost, as far as the congestion window
// and the peer's window, which ends at end, allow (M676, M678). They move to the write list: from
// then on they are in flight on the new path. It reports whether it sent any.
//
// +checklocks:s.ep.mu
func (s *sender) resendLate(end seqnum.Value) (sent bool) {
	l := s.late
	if l == nil || l.lost == 0 || s.ep.mig.silent() {
		return false
	}
	end = s.ep.limitFor(end)
	var prev, next *segment
	for seg := l.list.Front(); l.lost > 0 && seg != nil && s.Outstanding < s.SndCwnd; seg = next {
		next = seg.Next()
		if !seg.lost {
			prev = seg
			continue
		}
		size := min(seg.payloadSize(), s.MaxPayloadSize)
		if end.LessThan(seg.sequenceNumber.Add(seqnum.Size(size))) {
			break
		}
		l.list.Remove(seg)
		l.lost--
		s.insertSent(seg)
		if seg.payloadSize() > size {
			s.splitSeg(seg, size)
			next = seg.Next()
			s.writeList.Remove(next)
			next.lost = true
			l.lost++
			if prev == nil {
				l.list.PushFront(next)
			} else {
				l.list.InsertAfter(prev, next)
			}
		}
		if n := s.writeNext; n != nil && s.isAssignedSequenceNumber(n) && n.sequenceNumber.LessThan(seg.sequenceNumber) {
			continue // sent again in its turn
		}
		s.sendSegment(seg)
		s.Outstanding += s.pCount(seg, s.MaxPayloadSize)
		sent = true
	}
	return sent
}

// awaitsLate reports whether everything sent on this path has arrived, and SND.UNA
// waits for late segments only. The retransmission timer then has nothing to do. The
// timer of the late segments runs.
//
// +checklocks:s.ep.mu
func (s *sender) awaitsLate() bool {
	if s.late == nil || !s.late.timer.enabled() || s.zeroWindowProbing {
		return false
	}
	for seg := s.writeList.Front(); seg != nil && s.isAssignedSequenceNumber(seg); seg = seg.Next() {
		if !s.ep.scoreboard.IsSACKED(seg.sackBlock()) {
			return false
		}
	}
	return true
}
