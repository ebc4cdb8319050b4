// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// The part of the offending packet that an ICMP error quotes: RFC 1812, section 4.3.2.3
// and RFC 4443, section 3.1. A limit keeps the error itself from being too long.
const (
	icmpv4MaxLen = 576
	icmpv6MaxLen = header.IPv6MinimumMTU
)

// icmpTTL is the TTL of packets that routers and middleboxes send themselves.
const icmpTTL = 64

// newTooBig returns an error about p: ICMP Fragmentation Needed (RFC 1191, section 4)
// or ICMPv6 Packet Too Big (RFC 4443, section 3.2). It returns nil if there must be no
// error.
func newTooBig(p *Packet, from netip.Addr, mtu int) *Packet {
	e := newICMPError(p, from)
	if e == nil {
		return nil
	}
	if e.IsIPv6() {
		h := header.ICMPv6(e.transport())
		h.SetType(header.ICMPv6PacketTooBig)
		h.SetMTU(uint32(mtu))
	} else {
		h := header.ICMPv4(e.transport())
		h.SetType(header.ICMPv4DstUnreachable)
		h.SetCode(header.ICMPv4FragmentationNeeded)
		h.SetMTU(uint16(mtu))
	}
	e.FixChecksums()
	return e
}

// newUnreachable returns the error "no route" about p: code net unreachable
// (RFC 792), no route to destination (RFC 4443, 3.1). nil as for newTooBig.
func newUnreachable(p *Packet, from netip.Addr) *Packet {
	e := newICMPError(p, from)
	if e == nil {
		return nil
	}
	if e.IsIPv6() {
		h := header.ICMPv6(e.transport())
		h.SetType(header.ICMPv6DstUnreachable)
		h.SetCode(header.ICMPv6NetworkUnreachable)
	} else {
		h := header.ICMPv4(e.transport())
		h.SetType(header.ICMPv4DstUnreachable)
		h.SetCode(header.ICMPv4NetUnreachable)
	}
	e.FixChecksums()
	return e
}

// newICMPError returns an error message to p's source that quotes p; type, code
// and checksums are left open. It returns nil if from is not set or p must not
// cause an error (RFC 1122, 3.2.2 and RFC 4443, 2.4 (e)).
func newICMPError(p *Packet, from netip.Addr) *Packet {
	src, dst := p.addrs()
	if !from.IsValid() || src.IsUnspecified() || src.IsMulticast() || dst.IsMulticast() || isICMPError(p) {
		return nil
	}
	if p.IsIPv6() {
		const head = header.IPv6MinimumSize + header.ICMPv6ErrorHeaderSize
		quote := p.Bytes()[:min(p.Len(), icmpv6MaxLen-head)]
		e := newIP(from, src, protoICMPv6, header.ICMPv6ErrorHeaderSize+len(quote))
		copy(e.Bytes()[head:], quote)
		return e
	}
	if header.IPv4(p.Bytes()).FragmentOffset() != 0 {
		return nil
	}
	const head = header.IPv4MinimumSize + header.ICMPv4MinimumErrorPayloadSize
	quote := p.Bytes()[:min(p.Len(), icmpv4MaxLen-head)]
	e := newIP(from, src, protoICMPv4, header.ICMPv4MinimumErrorPayloadSize+len(quote))
	copy(e.Bytes()[head:], quote)
	return e
}

// isICMPError reports whether p is an ICMP message other than a query.
func isICMPError(p *Packet) bool {
	t := p.transport()
	if len(t) == 0 {
		return false
	}
	switch p.Protocol() {
	case protoICMPv4:
		switch header.ICMPv4Type(t[0]) {
		case header.ICMPv4DstUnreachable, header.ICMPv4SrcQuench, header.ICMPv4Redirect,
			header.ICMPv4TimeExceeded, header.ICMPv4ParamProblem:
			return true
		}
	case protoICMPv6:
		return header.ICMPv6Type(t[0]).IsErrorType()
	}
	return false
}

// newIP returns a packet with n zero bytes behind its IP header, whose
// checksums are left open. Both addresses are of one family.
func newIP(src, dst netip.Addr, proto uint8, n int) *Packet {
	if src.Is6() {
		p := makePacket(true, header.IPv6MinimumSize+n)
		h := header.IPv6(p.Bytes())
		h.SetPayloadLength(uint16(n))
		h.SetNextHeader(proto)
		h.SetHopLimit(icmpTTL)
		h.SetSourceAddress(toTCPIP(src))
		h.SetDestinationAddress(toTCPIP(dst))
		return p
	}
	p := makePacket(false, header.IPv4MinimumSize+n)
	h := header.IPv4(p.Bytes())
	h.Encode(&header.IPv4Fields{
		TotalLength: uint16(header.IPv4MinimumSize + n),
		Flags:       header.IPv4FlagDontFragment,
		TTL:         icmpTTL,
		Protocol:    proto,
		SrcAddr:     toTCPIP(src),
		DstAddr:     toTCPIP(dst),
	})
	return p
}
