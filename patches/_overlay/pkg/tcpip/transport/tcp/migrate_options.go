// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// migrateSYNOptions appends the handler's option to those of a connection's
// SYN or SYN-ACK. options has the capacity of the largest option field.
//
// +checklocks:e.mu
func (e *Endpoint) migrateSYNOptions(options []byte) []byte {
	m := e.mig
	if m == nil || m.h == nil {
		return options
	}
	return padOptions(m.h.MigrationSYNOption(options, maxOptionSize-len(options)))
}

// migrateOut changes a segment that is about to be sent on the current tuple. It
// returns options to append, and whether the segment may be sent.
//
// +checklocks:e.mu
func (e *Endpoint) migrateOut(pkt *stack.PacketBuffer, flags header.TCPFlags, seq, ack *seqnum.Value, rcvWnd *seqnum.Size, sack *[]header.SACKBlock) (extra []byte, ok bool) {
	m := e.mig
	if m == nil || m.h == nil {
		return nil, true
	}
	if flags.Contains(header.TCPFlagRst) {
		return m.h.MigrationAbortOption(nil, maxOptionSize-e.plainOptionSize(nil), uint32(*seq)), !m.held
	}
	if !m.shape {
		return nil, true
	}
	*ack, *rcvWnd = e.clampAck(*ack, *rcvWnd)
	*sack = m.clampSACK(*sack)
	if m.silent() {
		return nil, false
	}
	pure := pkt.Data().Size() == 0 && flags == header.TCPFlagAck
	if pure && m.busy != nil {
		*seq = m.busy.clamp.limit(*seq)
	}
	if m.proving {
		// SACK blocks can wait. A segment without the option would meet no
		// endpoint, if the peer has not moved yet (M546).
		*sack = nil
	}
	switch room := maxOptionSize - e.plainOptionSize(*sack); {
	case m.acks && pure:
		extra = m.h.MigrationACKOption(nil, room, uint32(*seq))
	case m.proving:
		extra = m.h.MigrationDataOption(nil, room)
	}
	return extra, true
}

// proofSize is the largest option that a handler appends to segments with payload.
const proofSize = 28

// reserveProof makes room for the handler's option in full segments, or takes it back.
// With SACK there is room already: the size of segments leaves out that of SACK blocks.
//
// +checklocks:e.mu
func (e *Endpoint) reserveProof(on bool) {
	if e.snd == nil || e.SACKPermitted {
		return
	}
	if on {
		e.snd.MaxPayloadSize = max(e.snd.MaxPayloadSize-proofSize, 1)
	} else {
		e.sndQueueInfo.sndQueueMu.Lock()
		mtu := e.sndQueueInfo.SndMTU // which a Packet Too Big may have lowered
		e.sndQueueInfo.sndQueueMu.Unlock()
		e.snd.MaxPayloadSize = min(e.snd.MaxPayloadSize+proofSize, mtu-header.TCPMinimumSize-e.maxOptionSize())
	}
	if e.snd.gso {
		e.gso.MSS = uint16(e.snd.MaxPayloadSize)
	}
}

// migratePeerACK shows the handler the options of a segment without payload.
//
// +checklocks:e.mu
func (e *Endpoint) migratePeerACK(s *segment) {
	usual := 0
	if e.SendTSOk {
		usual = 2 + header.TCPOptionTSLength
	}
	if s.flags&(header.TCPFlagSyn|header.TCPFlagFin|header.TCPFlagRst) != 0 || len(s.options) <= usual {
		return
	}
	if e.mig.h.MigrationPeerACK(e.arrived(s)) && e.snd != nil && e.rcv != nil {
		e.snd.sendAck()
	}
}

// MigrationAnswer acknowledges on the current tuple.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationAnswer() {
	e.snd.sendAck()
}

// plainOptionSize is the size of the options that makeOptions makes.
//
// +checklocks:e.mu
func (e *Endpoint) plainOptionSize(sack []header.SACKBlock) int {
	n := 0
	if e.SendTSOk {
		n += 2 + header.TCPOptionTSLength
	}
	if e.SACKPermitted && len(sack) > 0 {
		// As many blocks as fit, each 8 bytes behind a header of 4.
		n += min(4+8*len(sack), (maxOptionSize-n)/8*8+4)
	}
	return n
}

// padOptions fills the last word of an option field (RFC 9293, section 3.1).
func padOptions(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, header.TCPOptionNOP)
	}
	return b
}
