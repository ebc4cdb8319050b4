// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Registers of the rules.
const (
	reg  = unix.NFT_REG_1
	reg2 = unix.NFT_REG_2
)

// redirectIn is: iifname != DEVICE fib daddr type local meta nfproto FAMILY tcp
// dport PORT dnat to ADDRESS:PORT.
func redirectIn(device string, r Redirect) []expr.Any {
	return slices.Concat(
		compareMeta(expr.MetaKeyIIFNAME, expr.CmpOpNeq, interfaceName(device)),
		isProto(r.To.Addr()), toLocal(), toPort(r.Port), dnat(r.To))
}

// redirectOwn is the same for packets of the host itself, but not for packets to a
// loopback address. Such a packet may not leave the host, not even for a TUN device
// (RFC 1122, section 3.2.1.3 (g)).
func redirectOwn(r Redirect) []expr.Any {
	loopback := netip.MustParsePrefix("::1/128")
	if r.To.Addr().Is4() {
		loopback = netip.MustParsePrefix("127.0.0.0/8")
	}
	return slices.Concat(
		isProto(r.To.Addr()), toLocal(),
		compareAddr(destinationOffset(r.To.Addr()), expr.CmpOpNeq, loopback),
		toPort(r.Port), dnat(r.To))
}

// masquerade is: oifname != DEVICE FAMILY saddr PREFIX masquerade.
func masquerade(device string, p netip.Prefix) []expr.Any {
	return slices.Concat(
		compareMeta(expr.MetaKeyOIFNAME, expr.CmpOpNeq, interfaceName(device)),
		isProto(p.Addr()),
		compareAddr(sourceOffset(p.Addr()), expr.CmpOpEq, p),
		[]expr.Any{&expr.Masq{}})
}

// clampMSS is: KEY DEVICE tcp flags syn tcp option maxseg size set rt mtu. It lowers the
// MSS of SYNs and SYN-ACKs to what fits the routes of both directions.
func clampMSS(key expr.MetaKey, device string) []expr.Any {
	const (
		flagsOffset, syn           = 13, 0x02 // RFC 9293, section 3.1
		optionMSS, mssOffset, size = 2, 2, 2  // RFC 9293, section 3.2
	)
	return slices.Concat(
		compareMeta(key, expr.CmpOpEq, interfaceName(device)),
		compareMeta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_TCP}),
		[]expr.Any{
			&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: flagsOffset, Len: 1},
			&expr.Bitwise{SourceRegister: reg, DestRegister: reg, Len: 1, Mask: []byte{syn}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: reg, Data: []byte{0}},
			&expr.Rt{Register: reg, Key: expr.RtTCPMSS},
			&expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: expr.ByteorderHton, Len: size, Size: size},
			&expr.Exthdr{SourceRegister: reg, Type: optionMSS, Offset: mssOffset, Len: size, Op: expr.ExthdrOpTcpopt},
		})
}

func compareMeta(key expr.MetaKey, op expr.CmpOp, data []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: reg}, &expr.Cmp{Op: op, Register: reg, Data: data}}
}

// interfaceName is a name as the kernel compares it: with all its zeros.
func interfaceName(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func proto(a netip.Addr) byte {
	if a.Is4() {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

func isProto(a netip.Addr) []expr.Any {
	return compareMeta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{proto(a)})
}

// toLocal is true of packets to an address of the host.
func toLocal() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: reg, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL)},
	}
}

// toPort is true of TCP segments to a port, which is at offset 2 (RFC 9293, 3.1).
func toPort(port uint16) []expr.Any {
	return append(
		compareMeta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: binary.BigEndian.AppendUint16(nil, port)})
}

// sourceOffset and destinationOffset are where the addresses are in an IPv4 (RFC
// 791, 3.1) or IPv6 header (RFC 8200, section 3).
func sourceOffset(a netip.Addr) uint32 {
	if a.Is4() {
		return 12
	}
	return 8
}

func destinationOffset(a netip.Addr) uint32 { return sourceOffset(a) + uint32(a.BitLen()/8) }

func compareAddr(offset uint32, op expr.CmpOp, p netip.Prefix) []expr.Any {
	size := uint32(p.Addr().BitLen() / 8)
	return []expr.Any{
		&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{
			SourceRegister: reg, DestRegister: reg, Len: size,
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()), Xor: make([]byte, size),
		},
		&expr.Cmp{Op: op, Register: reg, Data: p.Masked().Addr().AsSlice()},
	}
}

func dnat(to netip.AddrPort) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: reg, Data: to.Addr().AsSlice()},
		&expr.Immediate{Register: reg2, Data: binary.BigEndian.AppendUint16(nil, to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(proto(to.Addr())), RegAddrMin: reg, RegProtoMin: reg2},
	}
}
