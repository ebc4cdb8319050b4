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

// MigrationSendSYN sends the SYN, or with isAck the SYN-ACK, of a migration on the
// tuple on trial. Its options repeat the negotiated ones: a stateful middlebox takes
// the path for a new connection and learns window scales from nothing else. The window
// is not scaled (RFC 7323, section 2.2).
//
// +checklocks:e.mu
func (e *Endpoint) MigrationSendSYN(isAck bool, seq, ack uint32, option []byte) {
	if e.mig.busy == nil || e.mig.busy.path == nil {
		return
	}
	p := e.mig.busy.path
	if !p.limited {
		p.limited = true
		p.limit = e.snd.SndUna.Add(math.MaxUint16 << e.snd.SndWndScale)
		p.tsVal = e.tsValNow()
	}
	flags, tsEcr := header.TCPFlagSyn, e.recentTimestamp()
	if isAck {
		flags |= header.TCPFlagAck
		// Echo the SYN, because TS.Recent is of the old path.
		if s := e.mig.busy.segment(); s != nil && s.migrate {
			p.tsRecent = s.parsedOptions.TSVal
		}
		tsEcr = p.tsRecent
	}
	opts := getOptions()
	defer putOptions(opts)
	n := header.EncodeMSSOption(uint32(calculateAdvertisedMSS(e.userMSS, p.route)), opts)
	if e.SACKPermitted {
		n += header.EncodeSACKPermittedOption(opts[n:])
	}
	if e.SendTSOk {
		n += header.EncodeTSOption(e.tsValNow(), tsEcr, opts[n:])
	}
	n += header.EncodeWSOption(int(e.rcv.RcvWndScale), opts[n:])
	if n+len(option) > maxOptionSize {
		return
	}
	e.sendOnPath(p, flags, seq, ack, math.MaxUint16, padOptions(append(opts[:n], option...)))
}

// MigrationSendACK sends a segment without payload, with the option. It goes to the
// tuple on trial and acknowledges ack. Without a tuple on trial it goes to the current
// one and acknowledges as much as the clamp allows.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationSendACK(seq, ack uint32, option []byte) {
	m := e.mig
	b := e.need()
	p := b.path
	if p == nil {
		b.option = option
		m.update()
		e.snd.sendEmptySegment(header.TCPFlagAck, seqnum.Value(seq))
		b.option = nil
		m.update()
		return
	}
	rcvNxt, wnd := e.rcv.getSendParams()
	opts := e.makeOptions(nil)
	defer putOptions(opts)
	if len(opts)+len(option) > maxOptionSize {
		return
	}
	e.sendOnPath(p, header.TCPFlagAck, seq, ack, e.windowFrom(seqnum.Value(ack), rcvNxt, wnd), padOptions(append(opts, option...)))
}

// +checklocks:e.mu
func (e *Endpoint) sendOnPath(p *migrationPath, flags header.TCPFlags, seq, ack uint32, wnd seqnum.Size, opts []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.TCPMinimumSize + int(p.route.MaxHeaderLength()) + len(opts),
		Mark:               e.ops.GetMark(),
	})
	defer pkt.DecRef()
	// The network may fail to send. The handler's timer tries again.
	_ = e.sendTCP(p.route, tcpFields{
		id:     p.id,
		ttl:    calculateTTL(p.route, e.ipv4TTL, e.ipv6HopLimit),
		tos:    e.sendTOS,
		flags:  flags,
		seq:    seqnum.Value(seq),
		ack:    seqnum.Value(ack),
		rcvWnd: wnd,
		opts:   opts,
		df:     e.pmtud == tcpip.PMTUDiscoveryWant || e.pmtud == tcpip.PMTUDiscoveryDo || e.pmtud == tcpip.PMTUDiscoveryProbe,
	}, pkt, stack.GSO{})
}

// windowFrom converts a window field wnd, which counts from rcvNxt, into one with the
// same right edge that counts from ack. Both are scaled.
//
// +checklocks:e.mu
func (e *Endpoint) windowFrom(ack, rcvNxt seqnum.Value, wnd seqnum.Size) seqnum.Size {
	scale := e.rcv.RcvWndScale
	bytes := ack.Size(rcvNxt.Add(wnd << scale))
	// The peer has data in flight up to the edge. So the field is rounded up,
	// and never zero.
	field := (bytes + 1<<scale - 1) >> scale
	return min(max(field, 1), math.MaxUint16)
}

// limitFor lowers end, the right edge of the peer's window, to the limit of the path
// on trial.
//
// +checklocks:e.mu
func (e *Endpoint) limitFor(end seqnum.Value) seqnum.Value {
	if e.mig == nil || e.mig.busy == nil {
		return end
	}
	p := e.mig.busy.path
	if p == nil || !p.limited || !p.limit.LessThan(end) {
		return end
	}
	p.stopped = true
	return p.limit
}
