// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack"
)

// The flags of segments.
const (
	fFIN    = header.TCPFlagFin
	fSYN    = header.TCPFlagSyn
	fRST    = header.TCPFlagRst
	fACK    = header.TCPFlagAck
	fSYNACK = fSYN | fACK
)

// segment is a TCP segment and its addresses.
type segment struct {
	src, dst netip.AddrPort
	seq, ack uint32
	flags    header.TCPFlags
	opts     []byte // padded by encode
	payload  []byte
	badSum   bool
}

// field sets something in a segment to send, or states a condition for one that has
// come.
type field func(*segment)

func withSource(a netip.AddrPort) field      { return func(s *segment) { s.src = a } }
func withDestination(a netip.AddrPort) field { return func(s *segment) { s.dst = a } }
func withSeq(n uint32) field                 { return func(s *segment) { s.seq = n } }
func withAck(n uint32) field                 { return func(s *segment) { s.ack = n } }
func withFlags(f header.TCPFlags) field      { return func(s *segment) { s.flags = f } }
func withOptions(opts ...byte) field         { return func(s *segment) { s.opts = opts } }
func withBadChecksum(s *segment)             { s.badSum = true }

// with returns the segment with other fields.
func (s segment) with(fields ...field) segment {
	for _, f := range fields {
		f(&s)
	}
	return s
}

// length is the space that the segment takes of the sequence numbers (RFC 9293, 3.4).
func (s segment) length() uint32 {
	n := uint32(len(s.payload))
	if s.flags.Contains(fSYN) {
		n++
	}
	if s.flags.Contains(fFIN) {
		n++
	}
	return n
}

func (s segment) String() string {
	return fmt.Sprintf("%v > %v %v seq %d ack %d options %x, %d bytes", s.src, s.dst, s.flags, s.seq, s.ack, s.opts, len(s.payload))
}

// encode returns the IP packet.
func (s segment) encode() []byte {
	opts := append([]byte(nil), s.opts...)
	for len(opts)%4 != 0 {
		opts = append(opts, header.TCPOptionNOP)
	}
	n := header.TCPMinimumSize + len(opts) + len(s.payload)
	src, dst := netstack.Address(s.src.Addr()), netstack.Address(s.dst.Addr())
	var b []byte
	if s.src.Addr().Is4() {
		b = make([]byte, header.IPv4MinimumSize+n)
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber),
			SrcAddr: src, DstAddr: dst,
		})
		ip.SetChecksum(^ip.CalculateChecksum())
	} else {
		b = make([]byte, header.IPv6MinimumSize+n)
		header.IPv6(b).Encode(&header.IPv6Fields{
			PayloadLength: uint16(n), TransportProtocol: header.TCPProtocolNumber, HopLimit: 64,
			SrcAddr: src, DstAddr: dst,
		})
	}
	t := header.TCP(b[len(b)-n:])
	copy(t[header.TCPMinimumSize:], opts)
	copy(t[header.TCPMinimumSize+len(opts):], s.payload)
	t.Encode(&header.TCPFields{
		SrcPort: s.src.Port(), DstPort: s.dst.Port(), SeqNum: s.seq, AckNum: s.ack,
		DataOffset: uint8(header.TCPMinimumSize + len(opts)), Flags: s.flags, WindowSize: 65535,
	})
	sum := header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, uint16(n))
	sum = ^checksum.Checksum(t, sum)
	if s.badSum {
		sum++
	}
	t.SetChecksum(sum)
	return b
}

// decode is the inverse of encode. Of a packet that is no TCP segment it returns the
// addresses.
func decode(b []byte) (s segment) {
	ip := header.Network(header.IPv6(b))
	n := header.IPv6MinimumSize
	if header.IPVersion(b) == header.IPv4Version {
		ip, n = header.IPv4(b), int(header.IPv4(b).HeaderLength())
	}
	t := header.TCP(b[n:])
	if ip.TransportProtocol() != header.TCPProtocolNumber {
		t = make(header.TCP, header.TCPMinimumSize)
		t.SetDataOffset(header.TCPMinimumSize)
	}
	return segment{
		src: netip.AddrPortFrom(netstack.Addr(ip.SourceAddress()), t.SourcePort()),
		dst: netip.AddrPortFrom(netstack.Addr(ip.DestinationAddress()), t.DestinationPort()),
		seq: t.SequenceNumber(), ack: t.AckNumber(), flags: t.Flags(),
		opts: bytes.Clone(t.Options()), payload: bytes.Clone(t.Payload()),
	}
}
