// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack"
)

// syn returns a SYN with some data from the host's address to the stack's, and
// where its TCP header is. Nobody listens on the port: the stack answers with a RST.
func syn(src, dst string) (pkt []byte, at int) {
	from, to := netstack.Address(netip.MustParseAddr(src)), netstack.Address(netip.MustParseAddr(dst))
	const size = header.TCPMinimumSize + 28
	if from.Len() == header.IPv4AddressSize {
		at = header.IPv4MinimumSize
		pkt = make([]byte, at+size)
		ip := header.IPv4(pkt)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(pkt)), TTL: 64, ID: 1,
			Protocol: uint8(header.TCPProtocolNumber), SrcAddr: from, DstAddr: to,
		})
		ip.SetChecksum(^ip.CalculateChecksum())
	} else {
		at = header.IPv6MinimumSize
		pkt = make([]byte, at+size)
		header.IPv6(pkt).Encode(&header.IPv6Fields{
			PayloadLength: size, TransportProtocol: header.TCPProtocolNumber,
			HopLimit: 64, SrcAddr: from, DstAddr: to,
		})
	}
	tcp := header.TCP(pkt[at:])
	tcp.Encode(&header.TCPFields{
		SrcPort: 4000, DstPort: 9, DataOffset: header.TCPMinimumSize,
		Flags: header.TCPFlagSyn, WindowSize: 1000,
	})
	// It covers the data, which is all zero.
	tcp.SetChecksum(^tcp.CalculateChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, from, to, size)))
	return pkt, at
}

// fragment cuts an IPv4 packet in two.
func fragment(pkt []byte) [][]byte {
	const first = 24 // of the payload, in bytes; a multiple of 8 (RFC 791, section 3.1)
	cut := func(flags uint8, offset uint16, payload []byte) []byte {
		f := append(append([]byte{}, pkt[:header.IPv4MinimumSize]...), payload...)
		ip := header.IPv4(f)
		ip.SetTotalLength(uint16(len(f)))
		ip.SetFlagsFragmentOffset(flags, offset)
		ip.SetChecksum(0)
		ip.SetChecksum(^ip.CalculateChecksum())
		return f
	}
	payload := pkt[header.IPv4MinimumSize:]
	return [][]byte{cut(header.IPv4FlagMoreFragments, 0, payload[:first]), cut(0, first, payload[first:])}
}

// TestChecksums sends packets with unverified checksums from a packet socket. The stack
// drops the corrupted ones and answers the rest.
func TestChecksums(t *testing.T) {
	whole := func(pkt []byte) [][]byte { return [][]byte{pkt} }
	for _, driver := range drivers {
		t.Run(driver.String(), func(t *testing.T) {
			r := newRig(t, driver, 0)
			// The connection lasts: the stack answers a late segment of an ended one
			// with a RST, too.
			client, server := connect(t, "tcp4", r.kernel(), r.netstack())
			inject := func(pkts [][]byte) (corrupted, resets uint64) {
				t.Helper()
				return r.inject(t, client, server, pkts)
			}
			for _, c := range []struct {
				name     string
				src, dst string
				send     func([]byte) [][]byte
				corrupt  int // which byte, counted from the TCP header
			}{
				{"IPv4 data", host4, stack4, whole, header.TCPMinimumSize + 3},
				{"IPv4 port", host4, stack4, whole, 1},
				{"IPv6 data", host6, stack6, whole, header.TCPMinimumSize + 3},
				{"IPv4 fragments", host4, stack4, fragment, header.TCPMinimumSize + 20},
				{"IPv4 TTL", host4, stack4, whole, -12},
			} {
				good, at := syn(c.src, c.dst)
				bad, _ := syn(c.src, c.dst)
				bad[at+c.corrupt] ^= 0x10
				if dropped, resets := inject(c.send(bad)); dropped != 1 || resets != 0 {
					t.Errorf("%s: corrupted: %d dropped, %d answered", c.name, dropped, resets)
				}
				if dropped, resets := inject(c.send(good)); dropped != 0 || resets != 1 {
					t.Errorf("%s: intact: %d dropped, %d answered", c.name, dropped, resets)
				}
			}
		})
	}
}

// inject sends pkts to the stack. It returns how many packets the stack has found to be
// corrupted, and how many it has answered with a RST. client and server are the ends of
// a connection from the host.
func (r *rig) inject(t *testing.T, client, server net.Conn, pkts [][]byte) (corrupted, resets uint64) {
	t.Helper()
	stats := r.stack.GVisor().Stats()
	count := func() (uint64, uint64) {
		return stats.NICs.MalformedL4RcvdPackets.Value() + stats.IP.MalformedPacketsReceived.Value(), stats.TCP.ResetsSent.Value()
	}
	corruptedBefore, resetsBefore := count()
	unverified := r.link.Stats().RxUnverified
	for _, p := range pkts {
		sendRaw(t, r.link.Name(), header.IPVersion(p), p)
	}
	// The stack gets packets in order: when it has one of the connection's that was
	// sent later it has looked at these.
	if _, err := client.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if r.link.Stats().RxUnverified == unverified {
		t.Error("the host vouches for packets that it has not looked at")
	}
	corrupted, resets = count()
	return corrupted - corruptedBefore, resets - resetsBefore
}

// sendRaw sends an IP packet over a device as it is.
func sendRaw(t *testing.T, name string, version int, pkt []byte) {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	proto := uint16(unix.ETH_P_IP)
	if version == header.IPv6Version {
		proto = unix.ETH_P_IPV6
	}
	networkOrder := proto<<8 | proto>>8
	to := &unix.SockaddrLinklayer{Protocol: networkOrder, Ifindex: ifi.Index}
	if err := unix.Sendto(fd, pkt, 0, to); err != nil {
		t.Fatal(err)
	}
}
