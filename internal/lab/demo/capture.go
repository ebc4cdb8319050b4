// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack"
)

// inboundTCP returns a capture function that passes on the TCP segments which a NIC
// receives, before the stack processes them.
func inboundTCP(see func(src, dst netip.Addr, t header.TCP)) func(netstack.CapturedPacket) {
	return func(p netstack.CapturedPacket) {
		if p.Outbound {
			return
		}
		if src, dst, t, ok := parseTCP(p.Data); ok {
			see(src, dst, t)
		}
	}
}

// both returns a capture function that calls two. The second may be nil.
func both(first, second func(netstack.CapturedPacket)) func(netstack.CapturedPacket) {
	if second == nil {
		return first
	}
	return func(p netstack.CapturedPacket) {
		first(p)
		second(p)
	}
}

// parseTCP takes an unfragmented TCP packet apart that a stack of this process has
// built: no extension headers, and lengths that hold.
func parseTCP(b []byte) (src, dst netip.Addr, t header.TCP, ok bool) {
	switch header.IPVersion(b) {
	case header.IPv4Version:
		ip := header.IPv4(b)
		ok = ip.IsValid(len(b)) && ip.TransportProtocol() == header.TCPProtocolNumber && !ip.More() && ip.FragmentOffset() == 0
		if ok {
			src, dst, t = netip.AddrFrom4(ip.SourceAddress().As4()), netip.AddrFrom4(ip.DestinationAddress().As4()), ip.Payload()
		}
	case header.IPv6Version:
		ip := header.IPv6(b)
		ok = ip.IsValid(len(b)) && ip.NextHeader() == uint8(header.TCPProtocolNumber)
		if ok {
			src, dst, t = netip.AddrFrom16(ip.SourceAddress().As16()), netip.AddrFrom16(ip.DestinationAddress().As16()), ip.Payload()
		}
	}
	ok = ok && len(t) >= header.TCPMinimumSize && int(t.DataOffset()) <= len(t)
	return src, dst, t, ok
}
