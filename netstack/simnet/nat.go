// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// The ports a NAT gives out when it can't keep, or shall not keep, the client's.
const (
	firstNATPort = 1024
	lastNATPort  = 65535
)

// NATConfig describes a [NAT].
type NATConfig struct {
	// Addr4 and Addr6 are the NAT's outer addresses. Packets of a family
	// without one don't pass.
	Addr4, Addr6 netip.Addr
	// DropInvalid makes the NAT silent. Otherwise it answers TCP packets to its
	// own address that it can't translate with RST, as a Linux host does whose
	// INPUT chain is open.
	DropInvalid bool
	// PortBase, if not zero, makes the NAT give out ports from there upwards.
	// Otherwise it keeps the client's port if that is free.
	PortBase uint16
	// Conntrack are the settings of connection tracking.
	Conntrack Conntrack
	// OnInvalid, if not nil, is told of every packet that tracking objects to.
	OnInvalid func(InvalidPacket)
}

// NAT is a stateful source NAT ("masquerade") between the inner side (A) of a
// link and the outer (B), which it tracks as Linux does. Connections begin
// inside; mappings are per connection (address and port-dependent).
//
// TCP, UDP and the ICMP errors about them pass, everything else is dropped.
type NAT struct {
	tracking
	cfg      NATConfig
	nextPort uint16
}

var _ Box = (*NAT)(nil)

// NewNAT returns a NAT with no mapping.
func NewNAT(cfg NATConfig) *NAT {
	return &NAT{
		tracking: tracking{onInvalid: cfg.OnInvalid, table: newConnTable(cfg.Conntrack)},
		cfg:      cfg,
		nextPort: max(cfg.PortBase, firstNATPort),
	}
}

// Mapped returns the outer address and port of the connection from an inner
// address and port to a remote one, if there is a mapping. proto is the IP
// protocol number.
func (n *NAT) Mapped(proto uint8, inner, remote netip.AddrPort) (outer netip.AddrPort, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.table.conns[tuple{proto, inner, remote}]
	if c == nil {
		return netip.AddrPort{}, false
	}
	return c.tuples[ctReply].dst, true
}

// Process implements Box.
func (n *NAT) Process(p *Packet, at Hop) (v Verdict) {
	var (
		rst       *Packet
		objection *InvalidPacket
	)
	n.mu.Lock()
	if at.Dir == AtoB {
		v, objection = n.outbound(p, at)
	} else {
		v, rst, objection = n.inbound(p, at)
	}
	n.mu.Unlock()
	n.report(objection)
	if rst != nil {
		at.Reply(rst)
	}
	return v
}

func (n *NAT) outbound(p *Packet, at Hop) (Verdict, *InvalidPacket) {
	outer := n.outer(p)
	if _, dst := p.addrs(); !outer.IsValid() || dst == outer {
		return n.other(), nil
	}
	tp, ok := tupleOf(p)
	if !ok {
		return n.translateError(p, ctReply, at.Now), nil
	}
	tr, objection := n.track(p, tp, at)
	switch {
	case tr.verdict == ctInvalidPacket:
		return Drop, objection
	case n.table.mustBeSYN(p, &tr):
		n.stats.NotSYN++
		return Drop, objection
	case tr.isNew():
		reply, ok := n.allocate(tp, outer)
		if !ok || !n.table.confirm(tr.conn, reply, at.Now) {
			return n.other(), objection
		}
		n.stats.New++
	}
	p.setSrc(tr.conn.tuples[ctReply].dst)
	n.stats.Passed++
	return Pass, objection
}

// inbound handles a packet from outside. If the NAT can't translate a packet, it is the
// addressee, and may answer.
func (n *NAT) inbound(p *Packet, at Hop) (v Verdict, rst *Packet, objection *InvalidPacket) {
	if _, dst := p.addrs(); dst != n.outer(p) {
		return n.other(), nil, nil
	}
	tp, ok := tupleOf(p)
	if !ok {
		return n.translateError(p, ctOriginal, at.Now), nil, nil
	}
	tr, objection := n.track(p, tp, at)
	if tr.conn == nil || tr.verdict == ctInvalidPacket {
		return Drop, n.refuse(p), objection
	}
	p.setDst(tr.conn.tuples[ctOriginal].src)
	n.stats.Passed++
	return Pass, nil, objection
}

// refuse returns the RST that the NAT, being the addressee of p, answers with.
func (n *NAT) refuse(p *Packet) *Packet {
	if n.cfg.DropInvalid {
		return nil
	}
	rst := newRST(p)
	if rst != nil {
		n.stats.RSTsSent++
	}
	return rst
}

func (n *NAT) outer(p *Packet) netip.Addr {
	if p.IsIPv6() {
		return n.cfg.Addr6
	}
	return n.cfg.Addr4
}

// allocate returns the tuple that replies to a new connection will have: its
// own port if possible, else the next free one.
func (n *NAT) allocate(tp tuple, outer netip.Addr) (tuple, bool) {
	try := func(port uint16) (tuple, bool) {
		reply := tuple{tp.proto, tp.dst, netip.AddrPortFrom(outer, port)}
		_, used := n.table.conns[reply]
		return reply, !used
	}
	if n.cfg.PortBase == 0 {
		if reply, ok := try(tp.src.Port()); ok {
			return reply, true
		}
	}
	for range lastNATPort - firstNATPort + 1 {
		port := n.nextPort
		if n.nextPort == lastNATPort {
			n.nextPort = firstNATPort
		} else {
			n.nextPort++
		}
		if reply, ok := try(port); ok {
			return reply, true
		}
	}
	return tuple{}, false
}

// newRST returns the RST with which a host without such a connection answers p
// (RFC 9293, 3.10.7.1), or nil if it must not.
func newRST(p *Packet) *Packet {
	t, ok := p.TCP()
	if !ok || !p.checksumOK(t) || t.Flags()&header.TCPFlagRst != 0 {
		return nil
	}
	src, dst := p.endpoints()
	rst := newIP(dst.Addr(), src.Addr(), protoTCP, header.TCPMinimumSize)
	f := header.TCPFields{
		SrcPort: dst.Port(), DstPort: src.Port(),
		DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagRst,
	}
	if t.Flags()&header.TCPFlagAck != 0 {
		f.SeqNum = t.AckNumber()
	} else {
		s := segmentOf(t)
		f.AckNum = s.end()
		f.Flags |= header.TCPFlagAck
	}
	header.TCP(rst.transport()).Encode(&f)
	rst.FixChecksums()
	return rst
}
