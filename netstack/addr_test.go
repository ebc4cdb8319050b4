// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
)

func TestAddresses(t *testing.T) {
	v4 := tcpip.AddrFrom4([4]byte{192, 0, 2, 1})
	v6 := tcpip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
	for _, c := range []struct {
		in   string // netip.AddrPort, or empty for the zero one
		addr tcpip.Address
		full tcpip.FullAddress
		back string
	}{
		{"192.0.2.1:80", v4, tcpip.FullAddress{Addr: v4, Port: 80}, "192.0.2.1:80"},
		{"[::ffff:192.0.2.1]:80", v4, tcpip.FullAddress{Addr: v4, Port: 80}, "192.0.2.1:80"},
		{"[2001:db8::1]:443", v6, tcpip.FullAddress{Addr: v6, Port: 443}, "[2001:db8::1]:443"},
		{"[2001:db8::1%eth0]:443", v6, tcpip.FullAddress{Addr: v6, Port: 443}, "[2001:db8::1]:443"},
		{"0.0.0.0:80", tcpip.AddrFrom4([4]byte{}), tcpip.FullAddress{Port: 80}, "invalid AddrPort"},
		{"[::]:80", tcpip.AddrFrom16([16]byte{}), tcpip.FullAddress{Port: 80}, "invalid AddrPort"},
		{"", tcpip.Address{}, tcpip.FullAddress{}, "invalid AddrPort"},
	} {
		var ap netip.AddrPort
		if c.in != "" {
			ap = netip.MustParseAddrPort(c.in)
		}
		if got := Address(ap.Addr()); got != c.addr {
			t.Errorf("Address(%s) = %v, want %v", c.in, got, c.addr)
		}
		if got := FullAddress(ap); got != c.full {
			t.Errorf("FullAddress(%s) = %v, want %v", c.in, got, c.full)
		}
		if got := AddrPort(c.full); got.String() != c.back {
			t.Errorf("AddrPort(%v) = %v, want %s", c.full, got, c.back)
		}
	}
	mapped := tcpip.AddrFrom16(netip.MustParseAddr("::ffff:192.0.2.1").As16())
	if got := Addr(mapped); got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("Addr of a mapped address = %v", got)
	}
	for in, want := range map[string]tcpip.NetworkProtocolNumber{
		"192.0.2.1": ipv4.ProtocolNumber, "::ffff:192.0.2.1": ipv4.ProtocolNumber, "2001:db8::1": ipv6.ProtocolNumber,
	} {
		if got := Protocol(netip.MustParseAddr(in)); got != want {
			t.Errorf("Protocol(%s) = %#x, want %#x", in, got, want)
		}
	}
}
