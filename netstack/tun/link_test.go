// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"errors"
	"io"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

var errGone = errors.New("device is gone")

// script is a device that has a few packets to read.
type script struct {
	packets  []inbound
	writable bool
	closed   int
}

func (s *script) read() (inbound, error) {
	if len(s.packets) == 0 {
		return inbound{}, errGone
	}
	in := s.packets[0]
	s.packets = s.packets[1:]
	return in, nil
}

func (s *script) write(*stack.PacketBuffer) error {
	if !s.writable {
		return io.ErrClosedPipe
	}
	return nil
}

func (s *script) Close() error { s.closed++; return nil }

// witness notes the answers that a NIC would get while a packet is delivered.
type witness struct {
	link     *Link
	protos   []tcpip.NetworkProtocolNumber
	offloads []bool
}

func (w *witness) DeliverNetworkPacket(proto tcpip.NetworkProtocolNumber, _ *stack.PacketBuffer) {
	w.protos = append(w.protos, proto)
	w.offloads = append(w.offloads, w.link.Capabilities()&stack.CapabilityRXChecksumOffload != 0)
}

func (w *witness) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

func TestLinkReceive(t *testing.T) {
	packet := func(first byte, verified, gso bool) inbound {
		return inbound{buffer.MakeWithData([]byte{first, 0}), verified, gso}
	}
	dev := &script{packets: []inbound{
		packet(0x45, true, true), packet(0x45, false, false), packet(0x60, true, false),
		packet(0x50, true, false), {}, packet(0x60, false, true),
	}}
	l := newLink(dev, "test", Config{MTU: 1500, Driver: VNetHdr})
	w := &witness{link: l}
	l.Attach(w)
	l.Wait()
	want4, want6 := header.IPv4ProtocolNumber, header.IPv6ProtocolNumber
	want := []tcpip.NetworkProtocolNumber{want4, want4, want6, want6}
	offload := []bool{true, false, true, false}
	if len(w.protos) != len(want) {
		t.Fatalf("%d packets delivered, want %d", len(w.protos), len(want))
	}
	for i := range want {
		if w.protos[i] != want[i] || w.offloads[i] != offload[i] {
			t.Errorf("packet %d: protocol %#x, checksum offload %v", i, w.protos[i], w.offloads[i])
		}
	}
	if got, want := l.Stats(), (Stats{RxPackets: 6, RxGSO: 2, RxUnverified: 3, RxDropped: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	<-l.Done()
	if err := l.Err(); !errors.Is(err, errGone) || dev.closed != 1 {
		t.Errorf("error %v, closed %d times", err, dev.closed)
	}
	l.Close()
	if !errors.Is(l.Err(), errGone) || dev.closed != 1 {
		t.Errorf("after Close: error %v, closed %d times", l.Err(), dev.closed)
	}
}

func TestLinkSend(t *testing.T) {
	dev := &script{writable: true}
	l := newLink(dev, "test", Config{MTU: 1500, Driver: VNetHdr})
	var list stack.PacketBufferList
	for _, size := range []int{1000, 1001} {
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(make([]byte, size))})
		pkt.GSOOptions = stack.GSO{Type: stack.GSOTCPv4, MSS: 1000}
		list.PushBack(pkt)
	}
	defer list.Reset()
	if n, err := l.WritePackets(list); n != 2 || err != nil {
		t.Errorf("%d written: %v", n, err)
	}
	dev.writable = false
	if n, err := l.WritePackets(list); n != 0 || err == nil {
		t.Errorf("%d written to a device that refuses: %v", n, err)
	}
	if got, want := l.Stats(), (Stats{TxPackets: 2, TxGSO: 1, TxDropped: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	l.Close()
	if err := l.Err(); err != nil || dev.closed != 1 {
		t.Errorf("error %v, closed %d times", err, dev.closed)
	}
	<-l.Done()
}
