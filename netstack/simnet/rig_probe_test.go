// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// probe is an interface without a stack: it sends packets made by the test and keeps
// the packets that arrive.
type probe struct {
	*Interface
	got []arrival
}

type arrival struct {
	at time.Duration
	p  *Packet
}

type noStack struct{}

func (noStack) Pause()  {}
func (noStack) Resume() {}

func newProbe(n *Network, name string) *probe {
	h := n.NewHost(name)
	h.stack = noStack{}
	pr := &probe{Interface: h.NewInterface("eth0")}
	pr.Attach(pr)
	return pr
}

// send gives the packet to the link, at the current instant.
func (pr *probe) send(p *Packet) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p.Bytes())})
	defer pkt.DecRef()
	var l stack.PacketBufferList
	l.PushBack(pkt)
	if _, err := pr.WritePackets(l); err != nil {
		panic(err)
	}
}

// take returns the packets that have arrived since the last call.
func (pr *probe) take() []arrival {
	got := pr.got
	pr.got = nil
	return got
}

// one returns the only packet that has arrived.
func (pr *probe) one(t *testing.T) *Packet {
	t.Helper()
	got := pr.take()
	if len(got) != 1 {
		t.Fatalf("%d packets arrived at %s, want one", len(got), pr.Name())
	}
	return got[0].p
}

func (pr *probe) none(t *testing.T) {
	t.Helper()
	if got := pr.take(); len(got) != 0 {
		t.Fatalf("%d packets arrived at %s, want none; the first is %v", len(got), pr.Name(),
			newRecord(got[0].p, got[0].p.Len(), pr.Link(), 0, 0, got[0].at))
	}
}

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (pr *probe) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	pr.got = append(pr.got, arrival{pr.host.net.Clock.Elapsed(), newPacket(pkt.ToView())})
}

// DeliverLinkPacket implements stack.NetworkDispatcher.
func (*probe) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

var (
	clientAddr = netip.MustParseAddrPort("10.1.0.2:4000")
	serverAddr = netip.MustParseAddrPort("10.9.0.1:80")
	client6    = netip.MustParseAddrPort("[fd00:1::2]:4000")
	server6    = netip.MustParseAddrPort("[fd00:9::1]:80")
	natAddr    = netip.MustParseAddr("192.0.2.1")
	natAddr6   = netip.MustParseAddr("2001:db8:1::1")
)

// udpPacket returns a UDP packet of size bytes in all.
func udpPacket(src, dst netip.AddrPort, size int) *Packet {
	head := header.IPv4MinimumSize
	if src.Addr().Is6() {
		head = header.IPv6MinimumSize
	}
	p := newIP(src.Addr(), dst.Addr(), protoUDP, size-head)
	header.UDP(p.transport()).Encode(&header.UDPFields{
		SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(size - head),
	})
	p.FixChecksums()
	return p
}

// tcpPacket returns a TCP packet with the given segment.
func tcpPacket(src, dst netip.AddrPort, s segment) *Packet {
	p := newIP(src.Addr(), dst.Addr(), protoTCP, header.TCPMinimumSize+s.payload)
	header.TCP(p.transport()).Encode(&header.TCPFields{
		SrcPort: src.Port(), DstPort: dst.Port(), SeqNum: s.seq, AckNum: s.ack,
		DataOffset: header.TCPMinimumSize, Flags: s.flags, WindowSize: s.win,
	})
	if !p.SetTCPOptions(s.opts) {
		panic("options don't fit")
	}
	return p
}
