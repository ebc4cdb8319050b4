// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/nested"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// CapturedPacket is a packet that a NIC has received or is about to send.
type CapturedPacket struct {
	// Time is the time of the stack's clock.
	Time time.Time
	// Outbound tells packets that the NIC sends from packets that it has received.
	Outbound bool
	// Data is the packet from its IP header on. It is valid until the call returns, and
	// must not be changed. On a link that segments for the stack, or computes checksums,
	// an outbound packet is longer than the MTU and lacks its TCP checksum.
	Data []byte
}

// captureLink is a link whose packets a function sees.
type captureLink struct {
	nested.Endpoint
	clock   tcpip.Clock
	capture func(CapturedPacket)
}

func newCaptureLink(link stack.LinkEndpoint, clock tcpip.Clock, capture func(CapturedPacket)) *captureLink {
	l := &captureLink{clock: clock, capture: capture}
	l.Init(link, l)
	return l
}

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (l *captureLink) DeliverNetworkPacket(proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	l.see(pkt, false)
	l.Endpoint.DeliverNetworkPacket(proto, pkt)
}

// WritePackets implements stack.LinkWriter.
func (l *captureLink) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for _, pkt := range pkts.AsSlice() {
		l.see(pkt, true)
	}
	return l.Endpoint.WritePackets(pkts)
}

func (l *captureLink) see(pkt *stack.PacketBuffer, outbound bool) {
	v := pkt.ToView()
	defer v.Release()
	l.capture(CapturedPacket{Time: l.clock.Now(), Outbound: outbound, Data: v.AsSlice()})
}
