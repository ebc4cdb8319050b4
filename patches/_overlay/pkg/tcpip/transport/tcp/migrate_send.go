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

// MigrationSendSYN sends the SYN of a migration on the tuple on trial.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationSendSYN(seq uint32, option []byte) {
	p := e.mig.path()
	if p == nil {
		return
	}
	if !p.limited {
		p.limited = true
		p.limit = e.snd.SndUna.Add(math.MaxUint16 << e.snd.SndWndScale)
		p.tsVal = e.tsValNow()
	}
	e.sendMigrationSYN(p, tcpFields{flags: header.TCPFlagSyn, seq: seqnum.Value(seq)}, e.recentTimestamp(), option)
}

// MigrationAnswerSYN answers in, a migrate SYN, on its tuple. Nothing is kept of that.
// It fails if there is no route back, or if the tuple is another endpoint's.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationAnswerSYN(a migrationAnswer, in migrationSegment) tcpip.Error {
	p, err := e.pathOf(in)
	if err != nil {
		return err
	}
	defer p.route.Release()
	if e.mig.busy == nil || !e.mig.busy.has(p.id) {
		if err := e.stack.CheckRegisterTransportEndpoint(p.netProtos, ProtocolNumber, p.id, p.portRes.Flags, p.portRes.BindToDevice); err != nil {
			return err
		}
	}
	seq, ack := seqnum.Value(a.Seq), seqnum.Value(a.Ack)
	// TS.Recent is of the current path (M525).
	tsVal := header.ParseSynOptions(in.Options, false).TSVal
	e.sendMigrationSYN(p, tcpFields{flags: header.TCPFlagSyn | header.TCPFlagAck, seq: seq, ack: ack}, tsVal, a.Option)
	if !a.Window {
		return nil
	}
	rcvNxt, wnd := e.rcv.getSendParams()
	opts := e.makeOptions(nil)
	defer putOptions(opts)
	e.sendMigration(p.route, tcpFields{
		id:     p.id,
		flags:  header.TCPFlagAck,
		seq:    seq + 1,
		ack:    ack,
		rcvWnd: e.windowFrom(ack, rcvNxt, wnd),
	}, opts, nil)
	return nil
}

// has reports whether id is the tuple on trial or an old one.
func (b *migrationBusy) has(id stack.TransportEndpointID) bool {
	for _, p := range b.drains {
		if p.id == id {
			return true
		}
	}
	return b.path != nil && b.path.id == id
}

// sendMigrationSYN sends a SYN or SYN-ACK. Its options repeat the negotiated ones
// (M503): a stateful middlebox takes the path for a new connection and learns window
// scales from nothing else. The window is not scaled (M504; RFC 7323, section 2.2).
//
// +checklocks:e.mu
func (e *Endpoint) sendMigrationSYN(p *migrationPath, tf tcpFields, tsEcr uint32, option []byte) {
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
	tf.id, tf.rcvWnd = p.id, math.MaxUint16
	e.sendMigration(p.route, tf, opts[:n], option)
}

// MigrationSendACK sends a segment without payload and with the option on the current
// tuple, also if that is silent. It acknowledges as much as the clamp allows.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationSendACK(seq uint32, option []byte) {
	rcvNxt, wnd := e.rcv.getSendParams()
	e.snd.LastSendTime = e.stack.Clock().NowMonotonic()
	e.snd.MaxSentAck = rcvNxt
	ack, wnd := e.clampAck(rcvNxt, wnd)
	opts := e.makeOptions(nil)
	defer putOptions(opts)
	e.sendMigration(e.route, tcpFields{
		id:     e.TransportEndpointInfo.ID,
		flags:  header.TCPFlagAck,
		seq:    seqnum.Value(seq),
		ack:    ack,
		rcvWnd: wnd,
	}, opts, option)
}

// sendMigration sends a segment of the migration handshake: its usual options, and the
// handler's behind them. It sends nothing if they do not fit.
//
// +checklocks:e.mu
func (e *Endpoint) sendMigration(r *stack.Route, tf tcpFields, opts, option []byte) {
	if len(opts)+len(option) > maxOptionSize {
		return
	}
	tf.opts = padOptions(append(opts, option...))
	tf.ttl = calculateTTL(r, e.ipv4TTL, e.ipv6HopLimit)
	tf.tos = e.sendTOS
	tf.df = e.pmtud == tcpip.PMTUDiscoveryWant || e.pmtud == tcpip.PMTUDiscoveryDo || e.pmtud == tcpip.PMTUDiscoveryProbe
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.TCPMinimumSize + int(r.MaxHeaderLength()) + len(tf.opts),
		Mark:               e.ops.GetMark(),
	})
	defer pkt.DecRef()
	// The network may fail to send. The handler's timer tries again.
	_ = e.sendTCP(r, tf, pkt, stack.GSO{})
}

// windowFrom converts a window field wnd, which counts from rcvNxt, into one with the
// same right edge that counts from ack (M644). Both are scaled.
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
// on trial (M506).
//
// +checklocks:e.mu
func (e *Endpoint) limitFor(end seqnum.Value) seqnum.Value {
	if e.mig == nil || e.mig.busy == nil {
		return end
	}
	p := e.mig.path()
	if p == nil || !p.limited || !p.limit.LessThan(end) {
		return end
	}
	p.stopped = true
	return p.limit
}
