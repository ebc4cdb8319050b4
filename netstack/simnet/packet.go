// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"math"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// IP protocol numbers the simulator looks into.
const (
	protoICMPv4 = uint8(header.ICMPv4ProtocolNumber)
	protoTCP    = uint8(header.TCPProtocolNumber)
	protoUDP    = uint8(header.UDPProtocolNumber)
	protoICMPv6 = uint8(header.ICMPv6ProtocolNumber)
)

// maxPacket is the length of the longest IP packet, an IPv6 one without
// jumbograms.
const maxPacket = header.IPv6MinimumSize + math.MaxUint16

// Packet is an IPv4 or IPv6 packet under way. A [Box] may read and change it
// while it is being called, and must not keep it.
//
// Transport headers behind IPv6 extension headers are not looked for.
type Packet struct {
	event event
	view  *buffer.View

	// Where the packet is: the next hop of a link, in one direction.
	link   *Link
	dir    Direction
	hop    int
	onWire bool
	epoch  uint32 // of the wire when it was sent; see wire.epoch
}

// newPacket takes ownership of v. It returns nil if v is too long or holds no
// whole IP header.
func newPacket(v *buffer.View) *Packet {
	if !hasIPHeader(v.AsSlice()) {
		v.Release()
		return nil
	}
	p := &Packet{view: v}
	p.event.task = p
	return p
}

func hasIPHeader(b []byte) bool {
	switch {
	case len(b) < header.IPv4MinimumSize || len(b) > maxPacket:
		return false
	case header.IPVersion(b) == header.IPv6Version:
		return len(b) >= header.IPv6MinimumSize
	case header.IPVersion(b) == header.IPv4Version:
		n := int(header.IPv4(b).HeaderLength())
		return n >= header.IPv4MinimumSize && n <= len(b)
	}
	return false
}

// makePacket returns a packet of n zero bytes with the version nibble set.
func makePacket(v6 bool, n int) *Packet {
	v := buffer.NewViewSize(n)
	version := byte(header.IPv4Version<<4 | header.IPv4MinimumSize/4)
	if v6 {
		version = header.IPv6Version << 4
	}
	v.AsSlice()[0] = version
	return newPacket(v)
}

// release gives the packet's memory back. The packet must not be used again.
func (p *Packet) release() {
	p.view.Release()
	p.view = nil
}

// clone returns a copy that shares no memory with p.
func (p *Packet) clone() *Packet {
	return newPacket(buffer.NewViewWithData(p.Bytes()))
}

// fire implements task: the packet has reached its next hop.
func (p *Packet) fire(now time.Duration) {
	p.link.resume(p, now)
}

// Bytes returns the packet, from its IP header on. Changes take effect; see
// [Packet.FixChecksums].
func (p *Packet) Bytes() []byte { return p.view.AsSlice() }

// Len returns the length of the packet with its IP header, in bytes.
func (p *Packet) Len() int { return p.view.Size() }

// IsIPv6 reports the packet's version.
func (p *Packet) IsIPv6() bool { return header.IPVersion(p.Bytes()) == header.IPv6Version }

// Protocol returns the IPv4 protocol or IPv6 next header number.
func (p *Packet) Protocol() uint8 {
	if b := p.Bytes(); p.IsIPv6() {
		return header.IPv6(b).NextHeader()
	}
	return header.IPv4(p.Bytes()).Protocol()
}

// transport returns the bytes behind the IP header.
func (p *Packet) transport() []byte {
	if b := p.Bytes(); p.IsIPv6() {
		return b[header.IPv6MinimumSize:]
	}
	return p.Bytes()[header.IPv4(p.Bytes()).HeaderLength():]
}

// isFragment reports whether p is an IPv4 fragment, first or later.
func (p *Packet) isFragment() bool {
	if p.IsIPv6() {
		return p.Protocol() == header.IPv6FragmentHeader
	}
	h := header.IPv4(p.Bytes())
	return h.More() || h.FragmentOffset() != 0
}

// TCP returns the TCP segment in p, header and payload, if p holds a whole
// header and is no fragment.
func (p *Packet) TCP() (header.TCP, bool) {
	if p.Protocol() != protoTCP || p.isFragment() {
		return nil, false
	}
	t := header.TCP(p.transport())
	if len(t) < header.TCPMinimumSize || int(t.DataOffset()) < header.TCPMinimumSize || len(t) < int(t.DataOffset()) {
		return nil, false
	}
	return t, true
}

// Src returns the source address, with the port of a TCP or UDP packet.
func (p *Packet) Src() netip.AddrPort {
	src, _ := p.endpoints()
	return src
}

// Dst returns the destination address, with the port of a TCP or UDP packet.
func (p *Packet) Dst() netip.AddrPort {
	_, dst := p.endpoints()
	return dst
}

func (p *Packet) endpoints() (src, dst netip.AddrPort) {
	var sport, dport uint16
	if proto := p.Protocol(); (proto == protoTCP || proto == protoUDP) && !p.isFragment() {
		if t := p.transport(); len(t) >= header.UDPMinimumSize {
			// Both protocols begin with the ports.
			sport, dport = header.UDP(t).SourcePort(), header.UDP(t).DestinationPort()
		}
	}
	s, d := p.addrs()
	return netip.AddrPortFrom(s, sport), netip.AddrPortFrom(d, dport)
}

func (p *Packet) addrs() (src, dst netip.Addr) {
	b := p.Bytes()
	if p.IsIPv6() {
		return netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	}
	return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
}

// SetTCPOptions replaces the TCP options, padded with End of Option List to a multiple
// of four bytes (RFC 9293, section 3.1). It corrects lengths and checksums. It reports
// false and changes nothing if p is no TCP packet or the options don't fit the header's
// 40 bytes.
func (p *Packet) SetTCPOptions(opts []byte) bool {
	t, ok := p.TCP()
	if !ok {
		return false
	}
	padded := (len(opts) + 3) &^ 3
	if header.TCPMinimumSize+padded > header.TCPHeaderMaximumSize {
		return false
	}
	head := p.Len() - len(t) + header.TCPMinimumSize
	payload := t.Payload()
	v := buffer.NewViewSize(head + padded + len(payload))
	b := v.AsSlice()
	copy(b, p.Bytes()[:head])
	copy(b[head:], opts)
	copy(b[head+padded:], payload)
	p.view.Release()
	p.view = v
	header.TCP(p.transport()).SetDataOffset(uint8(header.TCPMinimumSize + padded))
	if p.IsIPv6() {
		header.IPv6(b).SetPayloadLength(uint16(len(b) - header.IPv6MinimumSize))
	} else {
		header.IPv4(b).SetTotalLength(uint16(len(b)))
	}
	p.FixChecksums()
	return true
}

// FixChecksums recomputes the IPv4 header's checksum and that of a TCP, UDP or
// ICMP message that is no fragment.
func (p *Packet) FixChecksums() {
	if !p.IsIPv6() {
		h := header.IPv4(p.Bytes())
		h.SetChecksum(0)
		h.SetChecksum(^h.CalculateChecksum())
	}
	if p.isFragment() {
		return
	}
	t := p.transport()
	switch proto := p.Protocol(); {
	case proto == protoTCP && len(t) >= header.TCPMinimumSize:
		p.fixPseudo(t, header.TCPChecksumOffset)
	case proto == protoUDP && len(t) >= header.UDPMinimumSize:
		p.fixPseudo(t, 6)
	case proto == protoICMPv6 && len(t) >= header.ICMPv6MinimumSize:
		p.fixPseudo(t, 2)
	case proto == protoICMPv4 && len(t) >= header.ICMPv4MinimumSize:
		header.ICMPv4(t).SetChecksum(0)
		header.ICMPv4(t).SetChecksum(^checksum.Checksum(t, 0))
	}
}

// fixPseudo sets the checksum at t[at:], which covers a pseudo-header.
func (p *Packet) fixPseudo(t []byte, at int) {
	checksum.Put(t[at:], 0)
	checksum.Put(t[at:], ^checksum.Checksum(t, p.pseudoSum(len(t))))
}

func (p *Packet) pseudoSum(n int) uint16 {
	src, dst := p.addrs()
	return header.PseudoHeaderChecksum(tcpip.TransportProtocolNumber(p.Protocol()), toTCPIP(src), toTCPIP(dst), uint16(n))
}

// checksumOK reports whether the TCP checksum is right.
func (p *Packet) checksumOK(t header.TCP) bool {
	return checksum.Checksum(t, p.pseudoSum(len(t))) == 0xffff
}

// decrementTTL counts a router passed and reports whether the packet may live.
func (p *Packet) decrementTTL() bool {
	if p.IsIPv6() {
		h := header.IPv6(p.Bytes())
		if h.HopLimit() <= 1 {
			return false
		}
		h.SetHopLimit(h.HopLimit() - 1)
		return true
	}
	h := header.IPv4(p.Bytes())
	if h.TTL() <= 1 {
		return false
	}
	h.SetTTL(h.TTL() - 1)
	// RFC 1624, 3: the TTL is the high byte of its word.
	h.SetChecksum(^checksum.Combine(^h.Checksum(), ^uint16(0x0100)))
	return true
}

// toTCPIP converts to gVisor's address type.
func toTCPIP(a netip.Addr) tcpip.Address {
	return tcpip.AddrFromSlice(a.AsSlice())
}
