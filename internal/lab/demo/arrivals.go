// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// arrivals is a link that shows the TCP segments which come out of it to see,
// before the stack gets them.
type arrivals struct {
	stack.LinkEndpoint
	see func(src, dst netip.Addr, t header.TCP)

	dispatcher stack.NetworkDispatcher
}

var _ stack.NetworkDispatcher = (*arrivals)(nil)

// Attach implements stack.LinkEndpoint.
func (a *arrivals) Attach(d stack.NetworkDispatcher) {
	a.dispatcher = d
	if d == nil {
		a.LinkEndpoint.Attach(nil)
		return
	}
	a.LinkEndpoint.Attach(a)
}

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (a *arrivals) DeliverNetworkPacket(proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if src, dst, t, ok := parseTCP(pkt.Data().AsRange().ToSlice()); ok {
		a.see(src, dst, t)
	}
	a.dispatcher.DeliverNetworkPacket(proto, pkt)
}

// DeliverLinkPacket implements stack.NetworkDispatcher.
func (a *arrivals) DeliverLinkPacket(proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	a.dispatcher.DeliverLinkPacket(proto, pkt)
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
