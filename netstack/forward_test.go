// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// TestForwarding sends single packets to a router, from a network that it has an
// address in to another.
func TestForwarding(t *testing.T) {
	const ttl = 10
	for _, forwarding := range []bool{true, false} {
		router := newStack(t, Config{Forwarding: forwarding})
		in, out := newRecorder(t), newRecorder(t)
		far := make(map[*recorder]*PipeEnd)
		for r, addrs := range map[*recorder][]netip.Prefix{
			in:  {netip.MustParsePrefix("10.0.1.254/24"), netip.MustParsePrefix("fd00:1::254/64")},
			out: {netip.MustParsePrefix("10.0.2.254/24"), netip.MustParsePrefix("fd00:2::254/64")},
		} {
			near, end := Pipe(PipeConfig{})
			if _, err := router.Attach(near, AttachOptions{Addresses: addrs}); err != nil {
				t.Fatal(err)
			}
			end.Attach(r)
			t.Cleanup(func() { end.Close(); end.Wait() })
			far[r] = end
		}
		for i, c := range []struct{ from, to, router string }{
			{"10.0.1.1", "10.0.2.1", "10.0.1.254"},
			{"fd00:1::1", "fd00:2::1", "fd00:1::254"},
		} {
			inject(far[in], ping(c.from, c.to, ttl))
			// The router answers this one after it has handled the other.
			inject(far[in], ping(c.from, c.router, ttl))
			in.wait(i + 1)
			if !forwarding {
				continue
			}
			got := out.wait(i + 1)[i]
			var left uint8
			if i == 0 {
				left = header.IPv4(got).TTL()
			} else {
				left = header.IPv6(got).HopLimit()
			}
			if left != ttl-1 {
				t.Errorf("%s to %s: forwarded with TTL %d, want %d", c.from, c.to, left, ttl-1)
			}
		}
		if !forwarding && len(out.got) != 0 {
			t.Error("forwarded without being asked to")
		}
	}
}

// inject writes a packet to a link.
func inject(link *PipeEnd, packet []byte) {
	var list stack.PacketBufferList
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
	if header.IPVersion(packet) == header.IPv6Version {
		pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
	}
	list.PushBack(pkt)
	defer list.Reset()
	link.WritePackets(list)
}

// ping builds an ICMP echo request.
func ping(from, to string, ttl uint8) []byte {
	src, dst := Address(netip.MustParseAddr(from)), Address(netip.MustParseAddr(to))
	if src.BitLen() == header.IPv4AddressSizeBits {
		b := make([]byte, header.IPv4MinimumSize+header.ICMPv4MinimumSize)
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(b)), TTL: ttl, Protocol: uint8(header.ICMPv4ProtocolNumber), SrcAddr: src, DstAddr: dst,
		})
		ip.SetChecksum(^ip.CalculateChecksum())
		echo := header.ICMPv4(ip.Payload())
		echo.SetType(header.ICMPv4Echo)
		echo.SetChecksum(header.ICMPv4Checksum(echo, 0))
		return b
	}
	b := make([]byte, header.IPv6MinimumSize+header.ICMPv6EchoMinimumSize)
	ip := header.IPv6(b)
	ip.Encode(&header.IPv6Fields{
		PayloadLength: header.ICMPv6EchoMinimumSize, TransportProtocol: header.ICMPv6ProtocolNumber, HopLimit: ttl, SrcAddr: src, DstAddr: dst,
	})
	echo := header.ICMPv6(ip.Payload())
	echo.SetType(header.ICMPv6EchoRequest)
	echo.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: echo, Src: src, Dst: dst}))
	return b
}
