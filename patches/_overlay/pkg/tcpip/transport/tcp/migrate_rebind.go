// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"math"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/ports"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// MigrationRebind moves the connection to the tuple on trial. The old tuple drains.
//
// With known, everything below peerRcvNxt has arrived at the peer. With keep, the
// paths differ in their ports only: congestion control, RTT and MSS are kept. With
// alive, the old path still works: data in flight there will arrive. A positive rtt,
// in nanoseconds, is the first sample of the new path. Without it the sample is taken
// from timestamps, which tell which of several SYNs was answered (RFC 7323, section
// 4.1).
//
// The state of the connection, its queues, window scales, timestamp offset and
// SACK permission stay as they are (RFC 9293, section 3.3.1).
//
// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) MigrationRebind(peerRcvNxt uint32, known, keep, alive bool, rtt int64) {
	m := e.mig
	if m.closed || m.busy == nil || m.busy.path == nil {
		return
	}
	b := m.busy
	p, s := b.path, b.seg
	if s != nil && s.flags.Contains(header.TCPFlagSyn) {
		e.notePeerSYN(p, s)
	}
	b.drains = append(b.drains, e.swapPath(p))
	b.path = nil
	m.gated, m.held = false, false

	if s != nil && e.SendTSOk && s.parsedOptions.TS {
		if ecr := s.parsedOptions.TSEcr; rtt == 0 && seqnum.Value(p.tsVal).LessThanEq(seqnum.Value(ecr)) {
			rtt = int64(e.elapsed(s.rcvdTime, ecr))
		}
		// The usual rule (RFC 7323, section 4.3) would keep the value from
		// before the outage: the segment starts beyond the last ACK sent.
		e.setRecentTimestamp(s.parsedOptions.TSVal)
	}
	e.snd.recallLate()
	if known {
		e.snd.migrateAck(seqnum.Value(peerRcvNxt))
	}
	e.snd.migrate(p.peerMSS, keep, alive, rtt)
	e.rcvQueueMu.Lock()
	e.RcvAutoParams.RTT = 0
	e.rcvQueueMu.Unlock()

	e.startClamp(p.peerStart)
	switch {
	case s == nil:
	case s.flags.Contains(header.TCPFlagSyn):
		// Nobody on this path has seen a scaled window yet.
		e.narrowWindow(s.ackNumber.Add(math.MaxUint16))
	default:
		e.clampReceived(s)
		e.takeWindow(s)
	}
	m.update()
	e.lastErrorMu.Lock()
	e.lastError = nil
	e.lastErrorMu.Unlock()
	e.keepalive.Lock()
	e.keepalive.unacked = 0
	e.keepalive.Unlock()
	e.route.ConfirmReachable()
}

// swapPath makes the tuple on trial the current one and returns the old one.
//
// +checklocks:e.mu
func (e *Endpoint) swapPath(p *migrationPath) *migrationPath {
	old := &migrationPath{
		id:        e.TransportEndpointInfo.ID,
		nicID:     e.boundNICID,
		route:     e.route,
		netProtos: e.effectiveNetProtos,
		reserved:  e.isPortReserved,
		portRes: ports.Reservation{
			Networks:     e.effectiveNetProtos,
			Transport:    ProtocolNumber,
			Addr:         e.TransportEndpointInfo.ID.LocalAddress,
			Port:         e.TransportEndpointInfo.ID.LocalPort,
			Flags:        e.boundPortFlags,
			BindToDevice: e.boundBindToDevice,
			Dest:         e.boundDest,
		},
	}
	e.TransportEndpointInfo.ID = p.id
	e.boundNICID = p.nicID
	e.route = p.route
	e.isPortReserved = p.reserved
	e.effectiveNetProtos = p.netProtos
	e.boundDest = p.portRes.Dest
	e.connectingAddress = p.id.RemoteAddress
	e.mig.current.store(p.id)
	return old
}

// MigrationDropDrain releases a tuple that the connection has left.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationDropDrain(id stack.TransportEndpointID) {
	b := e.mig.busy
	if b == nil {
		return
	}
	for i, p := range b.drains {
		if p.id == id {
			b.drains = append(b.drains[:i], b.drains[i+1:]...)
			if len(b.drains) == 0 {
				b.drains = nil
			}
			e.releasePath(p)
			e.unclamp()
			return
		}
	}
}

// migrateLate takes the payload of a segment on a tuple that the connection has
// left. The rest of the segment is out of date: its acknowledgement would be timed
// against transmissions on the new path, and its window is an old one. A RST may come
// from another host that has the address now.
//
// +checklocks:e.mu
func (e *Endpoint) migrateLate(s *segment) tcpip.Error {
	if s.flags&(header.TCPFlagSyn|header.TCPFlagRst) != 0 || s.logicalLen() == 0 {
		return nil
	}
	for _, p := range e.mig.busy.drains {
		if p.id == s.id {
			s.ackNumber = e.snd.SndUna
			_, err := e.rcv.handleRcvdSegment(s)
			if !e.mig.closed {
				e.clampLate()
			}
			return err
		}
	}
	return nil
}

// takeWindow takes the window that s advertises. It is counted from the ACK field of
// s, also if that is below SND.UNA: a peer that clamps its ACKs counts from there.
//
// +checklocks:e.mu
func (e *Endpoint) takeWindow(s *segment) {
	e.setWindow(s.ackNumber.Add(s.window << e.snd.SndWndScale))
}

// narrowWindow lowers the right edge of the peer's window.
//
// +checklocks:e.mu
func (e *Endpoint) narrowWindow(right seqnum.Value) {
	if right.LessThan(e.snd.SndUna.Add(e.snd.SndWnd)) {
		e.setWindow(right)
	}
}

// +checklocks:e.mu
func (e *Endpoint) setWindow(right seqnum.Value) {
	e.snd.SndWnd = 0
	if e.snd.SndUna.LessThan(right) {
		e.snd.SndWnd = e.snd.SndUna.Size(right)
	}
}

// MigrationPush sends as much as the windows allow on the current tuple. With lost,
// data sent since the move did not arrive and is sent again.
//
// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) MigrationPush(lost bool) {
	if lost {
		e.snd.rewind()
	}
	if s := e.mig.busy.segment(); s != nil && s.id == e.TransportEndpointInfo.ID && !s.flags.Contains(header.TCPFlagSyn) {
		// Middleboxes on this path know the window from this segment.
		e.takeWindow(s)
	}
	e.snd.sendData()
	e.resetKeepaliveTimer(true /* receivedData */)
}
