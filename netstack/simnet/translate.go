// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// ported is the common part of TCP and UDP headers for translation.
type ported interface {
	SourcePort() uint16
	DestinationPort() uint16
	Checksum() uint16
	SetSourcePort(uint16)
	SetDestinationPort(uint16)
	SetSourcePortWithChecksumUpdate(uint16)
	SetDestinationPortWithChecksumUpdate(uint16)
	UpdateChecksumPseudoHeaderAddress(old, new tcpip.Address, fullChecksum bool)
}

// setSrc changes the source address and port of a TCP or UDP packet.
func (p *Packet) setSrc(to netip.AddrPort) { p.rewrite(to, true) }

// setDst changes the destination address and port of a TCP or UDP packet.
func (p *Packet) setDst(to netip.AddrPort) { p.rewrite(to, false) }

func (p *Packet) rewrite(to netip.AddrPort, source bool) {
	old, addr := p.setAddr(to.Addr(), source)
	t := p.transport()
	var h ported
	update := true
	switch {
	case p.Protocol() == protoUDP && len(t) >= header.UDPMinimumSize:
		h = header.UDP(t)
		update = h.Checksum() != 0 // RFC 768: none
	case p.Protocol() == protoTCP && len(t) >= header.TCPMinimumSize:
		h = header.TCP(t)
	case p.Protocol() == protoTCP && len(t) >= header.ICMPv4MinimumErrorPayloadSize:
		// The quote of an ICMP error ends before the checksum.
		h, update = header.TCP(t), false
	default:
		return
	}
	switch {
	case update && source:
		h.SetSourcePortWithChecksumUpdate(to.Port())
	case update:
		h.SetDestinationPortWithChecksumUpdate(to.Port())
	case source:
		h.SetSourcePort(to.Port())
	default:
		h.SetDestinationPort(to.Port())
	}
	if update {
		h.UpdateChecksumPseudoHeaderAddress(old, addr, true)
	}
}

// setAddr changes an address in the IP header and returns the old and the new.
func (p *Packet) setAddr(to netip.Addr, source bool) (old, addr tcpip.Address) {
	addr = toTCPIP(to)
	if p.IsIPv6() {
		h := header.IPv6(p.Bytes())
		if source {
			old = h.SourceAddress()
			h.SetSourceAddress(addr)
		} else {
			old = h.DestinationAddress()
			h.SetDestinationAddress(addr)
		}
		return old, addr
	}
	h := header.IPv4(p.Bytes())
	if source {
		old = h.SourceAddress()
		h.SetSourceAddressWithChecksumUpdate(addr)
	} else {
		old = h.DestinationAddress()
		h.SetDestinationAddressWithChecksumUpdate(addr)
	}
	return old, addr
}

// quoted returns the packet that an ICMP error is about, with its offset.
func (p *Packet) quoted() (inner *Packet, at int) {
	if !isICMPError(p) {
		return nil, 0
	}
	at = p.Len() - len(p.transport()) + header.ICMPv4MinimumErrorPayloadSize // both families: 8
	if at >= p.Len() {
		return nil, 0
	}
	if b := p.Bytes(); header.IPVersion(b[at:]) != header.IPVersion(b) {
		return nil, 0
	}
	return newPacket(buffer.NewViewWithData(p.Bytes()[at:])), at
}

// errorConn returns the connection that an ICMP error is about. sent is the
// direction in which the quoted packet had gone.
func (ct *connTable) errorConn(inner *Packet, sent ctDir, now time.Duration) *conn {
	tp, ok := tupleOf(inner)
	if !ok {
		return nil
	}
	// The packet as the other side's replies would look here.
	c, dir := ct.find(tp.reverse(), now)
	if c == nil || dir == sent {
		return nil
	}
	return c
}

// translateError passes an ICMP error on if it is about a packet of a
// connection that had gone in the given direction (RFC 5508, 4.2).
func (n *NAT) translateError(p *Packet, sent ctDir, now time.Duration) Verdict {
	inner, at := p.quoted()
	if inner == nil {
		return n.other()
	}
	defer inner.release()
	c := n.table.errorConn(inner, sent, now)
	if c == nil {
		return n.other()
	}
	if sent == ctOriginal {
		client := c.tuples[ctOriginal].src
		inner.setSrc(client)
		p.setAddr(client.Addr(), false)
	} else {
		inner.setDst(c.tuples[ctReply].dst)
		p.setAddr(n.outer(p), true)
	}
	copy(p.Bytes()[at:], inner.Bytes())
	p.FixChecksums()
	n.stats.ICMPErrors++
	return Pass
}
