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

// MigrationRebind moves the connection to the tuple on trial. in is the segment that
// it moves on. The old tuple drains.
//
// The state of the connection, its queues, window scales, timestamp offset and
// SACK permission stay as they are (M605).
//
// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) MigrationRebind(r migrationRebind, in migrationSegment) {
	m := e.mig
	if m.closed || m.busy == nil || m.busy.path == nil {
		return
	}
	b := m.busy
	p := b.path
	if m.proving { // for an earlier move, which is given up
		m.proving = false
		e.reserveProof(false)
	}
	if in.Flags.Contains(header.TCPFlagSyn) {
		p.peerStart = seqnum.Value(in.Seq) + 1
		r.PeerMSS = header.ParseSynOptions(in.Options, true).MSS
	}
	b.drains = append(b.drains, e.swapPath(p))
	b.path = nil
	m.gated, m.held = false, false

	if o := header.ParseTCPOptions(in.Options); e.SendTSOk && o.TS {
		// Timestamps tell which of several SYNs was answered (RFC 7323, section
		// 4.1).
		if r.RTT == 0 && seqnum.Value(p.tsVal).LessThanEq(seqnum.Value(o.TSEcr)) {
			r.RTT = e.elapsed(in.Received, o.TSEcr)
		}
		// M604. The usual rule (RFC 7323, section 4.3) would keep the value
		// from before the outage: the segment starts beyond the last ACK sent.
		e.setRecentTimestamp(o.TSVal)
	}
	e.snd.recallLate()
	if r.HasPeerRcvNxt {
		e.snd.migrateAck(seqnum.Value(r.PeerRcvNxt))
	}
	e.snd.migrate(r)
	e.rcvQueueMu.Lock()
	e.RcvAutoParams.RTT = 0
	e.rcvQueueMu.Unlock()

	e.startClamp(p.peerStart)
	if in.Flags.Contains(header.TCPFlagSyn) {
		// M545: nobody on this path has seen a scaled window yet.
		e.narrowWindow(seqnum.Value(in.Ack).Add(math.MaxUint16))
	} else {
		b.clamp.responder, b.clamp.edge = true, seqnum.Value(in.Ack+in.Window)
		e.clampReceived(seqnum.Value(in.Seq+in.Len), false)
		e.takeWindow(in)
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

// swapPath makes the tuple on trial the current one and returns the old one. Nothing is
// sent on the old tuple from now on (M621).
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

// migrateLate takes the payload of a segment on a tuple that the connection has left
// (M622). The rest of the segment is out of date. Its acknowledgement would be timed
// against transmissions on the new path, and its window is an old one. A RST may come
// from another host that has the address now.
//
// +checklocks:e.mu
func (e *Endpoint) migrateLate(s *segment) tcpip.Error {
	if s.flags&(header.TCPFlagSyn|header.TCPFlagRst) != 0 || s.logicalLen() == 0 {
		return nil
	}
	b := e.mig.busy
	if b == nil {
		return nil
	}
	for _, p := range b.drains {
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

// takeWindow takes the window that a segment advertises. It is counted from the ACK
// field, also if that is below SND.UNA: a peer that clamps its ACKs counts from there
// (M646).
//
// +checklocks:e.mu
func (e *Endpoint) takeWindow(in migrationSegment) {
	e.setWindow(seqnum.Value(in.Ack + in.Window))
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

// MigrationPush sends as much as the windows allow on the current tuple. in is the
// segment at hand.
//
// +checklocks:e.mu
// +checklocksexclude:e.snd.rtt.rttMutex
func (e *Endpoint) MigrationPush(in migrationSegment) {
	if in.ID == e.TransportEndpointInfo.ID && !in.Flags.Contains(header.TCPFlagSyn) {
		// Middleboxes on this path know the window from this segment.
		e.takeWindow(in)
	}
	e.snd.sendData()
	e.resetKeepaliveTimer(true /* receivedData */)
}
