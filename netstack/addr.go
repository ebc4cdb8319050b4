// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

// Address converts a to gVisor's type. An IPv4 address mapped into IPv6 becomes
// IPv4, the invalid address becomes the empty one. The zone is dropped.
func Address(a netip.Addr) tcpip.Address {
	switch a = a.Unmap(); {
	case a.Is4():
		return tcpip.AddrFrom4(a.As4())
	case a.Is6():
		return tcpip.AddrFrom16(a.As16())
	default:
		return tcpip.Address{}
	}
}

// Addr converts a from gVisor's type. An IPv4 address mapped into IPv6 becomes
// IPv4, the empty address becomes the invalid one.
func Addr(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr.Unmap()
}

// FullAddress converts ap to gVisor's type, for any NIC. The unspecified
// addresses become the empty one: gVisor's wildcard.
func FullAddress(ap netip.AddrPort) tcpip.FullAddress {
	fa := tcpip.FullAddress{Port: ap.Port()}
	if a := ap.Addr().Unmap(); a.IsValid() && !a.IsUnspecified() {
		fa.Addr = Address(a)
	}
	return fa
}

// AddrPort converts fa from gVisor's type. The empty address becomes the invalid
// one.
func AddrPort(fa tcpip.FullAddress) netip.AddrPort {
	return netip.AddrPortFrom(Addr(fa.Addr), fa.Port)
}

// Protocol returns the network protocol number of the family of a.
func Protocol(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Unmap().Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// addressWithPrefix converts p, whose address must not be a mapped one.
func addressWithPrefix(p netip.Prefix) tcpip.AddressWithPrefix {
	return tcpip.AddressWithPrefix{Address: Address(p.Addr()), PrefixLen: p.Bits()}
}

// unmapPrefix turns a prefix of mapped addresses into the IPv4 prefix, if it is
// one.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
