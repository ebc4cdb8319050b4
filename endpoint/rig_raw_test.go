// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TCP flags for test segments.
const (
	fFIN = header.TCPFlagFin
	fSYN = header.TCPFlagSyn
	fRST = header.TCPFlagRst
	fACK = header.TCPFlagAck
)

// rawSegment is a TCP segment to be made by hand.
type rawSegment struct {
	src, dst netip.AddrPort
	seq, ack uint32
	flags    header.TCPFlags
	opts     []byte // padded by encode
	payload  []byte
	badSum   bool
}

// encode returns the IP packet.
func (s rawSegment) encode() []byte {
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

// rawHost is a host without a stack: it sends packets as they are, from
// whatever address, and keeps what it gets.
type rawHost struct {
	addr  netip.Addr
	iface *simnet.Interface
	clock *simnet.Clock

	mu  sync.Mutex
	got []header.TCP
}

var _ stack.NetworkDispatcher = (*rawHost)(nil)

// mallory is a third host, at 10.6.6.6 and fd00:6::6, without delay.
func (r *rig) mallory() *rawHost {
	h := &rawHost{
		addr:  netip.MustParseAddr("10.6.6.6"),
		clock: r.net.Clock,
		iface: r.net.NewHost("mallory").NewInterface("eth0"),
	}
	link := r.net.Connect(h.iface, r.net.Core, simnet.LinkConfig{})
	for _, a := range []netip.Addr{h.addr, netip.MustParseAddr("fd00:6::6")} {
		r.net.Core.Route(netip.PrefixFrom(a, a.BitLen()), link)
	}
	h.iface.Attach(h)
	return h
}

// send sends packets and waits until they, and what answers them, have arrived.
func (h *rawHost) send(segments ...rawSegment) {
	for _, s := range segments {
		h.sendBytes(s.encode())
	}
	h.clock.Sleep(time.Millisecond)
}

func (h *rawHost) sendBytes(b []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
	defer pkt.DecRef()
	var list stack.PacketBufferList
	list.PushBack(pkt)
	h.iface.WritePackets(list)
}

// take returns the segments that have come since the last call.
func (h *rawHost) take() []header.TCP {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (h *rawHost) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	b := pkt.ToBuffer()
	defer b.Release()
	p := b.Flatten()
	n := header.IPv6MinimumSize
	if header.IPVersion(p) == header.IPv4Version {
		n = int(header.IPv4(p).HeaderLength())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, header.TCP(p[n:]))
}

// DeliverLinkPacket implements stack.NetworkDispatcher.
func (*rawHost) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
