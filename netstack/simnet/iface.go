// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Interface attaches a [Host] to a link. It is a layer-3 stack.LinkEndpoint:
// there are no link addresses and there is no ARP. Checksums are computed and
// verified by the stacks.
type Interface struct {
	host     *Host
	name     string
	prefixes []netip.Prefix

	mu         sync.Mutex
	dispatcher stack.NetworkDispatcher
	link       *Link
	mtu        uint32    // set by the stack; 0 follows the link
	out        []*Packet // written by the stack, not yet on the link
	pending    bool      // egress is scheduled
	egress     event
	spare      []*Packet // the memory of out, used in turn
}

var (
	_ stack.LinkEndpoint = (*Interface)(nil)
	_ End                = (*Interface)(nil)
)

// Name returns the name of the host, which traces show.
func (i *Interface) Name() string { return i.host.name }

// Prefixes returns the prefixes that NewInterface got.
func (i *Interface) Prefixes() []netip.Prefix { return i.prefixes }

// Link returns the link the interface is connected to, nil before Connect.
func (i *Interface) Link() *Link {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.link
}

func (i *Interface) attach(l *Link) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.link != nil {
		panic("simnet: interface " + i.name + " of " + i.host.name + " is connected already")
	}
	i.link = l
}

// WritePackets implements stack.LinkWriter. Any goroutine may call it. The packets
// enter the link by an event of the current instant, so that links and boxes run on the
// driving goroutine alone.
func (i *Interface) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, pkt := range pkts.AsSlice() {
		if p := newPacket(pkt.ToView()); p != nil {
			i.out = append(i.out, p)
		}
	}
	if !i.pending && len(i.out) > 0 {
		i.pending = true
		i.host.net.Clock.schedule(&i.egress, 0)
	}
	return pkts.Len(), nil
}

// egress is the event that puts the stack's packets on the link.
type egress Interface

func (e *egress) fire(now time.Duration) {
	i := (*Interface)(e)
	i.mu.Lock()
	out, link := i.out, i.link
	i.out, i.spare = i.spare[:0], nil
	i.pending = false
	i.mu.Unlock()
	for n, p := range out {
		out[n] = nil
		if link == nil {
			p.release()
			continue
		}
		link.enter(p, i, now)
	}
	i.mu.Lock()
	i.spare = out
	i.mu.Unlock()
}

// receive takes a packet that has arrived, now or when the host gets to it.
func (i *Interface) receive(p *Packet, _ *Link) {
	if !i.host.hold(i, p) {
		i.deliver(p)
	}
}

// deliver hands a packet to the stack.
func (i *Interface) deliver(p *Packet) {
	i.mu.Lock()
	d := i.dispatcher
	i.mu.Unlock()
	if d == nil {
		p.release()
		return
	}
	proto := header.IPv4ProtocolNumber
	if p.IsIPv6() {
		proto = header.IPv6ProtocolNumber
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(p.view)})
	p.view = nil
	i.host.net.Clock.barrier.touch(&i.host.guard)
	d.DeliverNetworkPacket(proto, pkt)
	pkt.DecRef()
}

// MTU implements stack.LinkEndpoint: the link's MTU unless SetMTU was called.
func (i *Interface) MTU() uint32 {
	i.mu.Lock()
	mtu, link := i.mtu, i.link
	i.mu.Unlock()
	if mtu == 0 && link != nil {
		return uint32(link.MTU())
	}
	if mtu == 0 {
		return DefaultMTU
	}
	return mtu
}

// SetMTU implements stack.LinkEndpoint.
func (i *Interface) SetMTU(mtu uint32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mtu = mtu
}

// Attach implements stack.LinkEndpoint.
func (i *Interface) Attach(d stack.NetworkDispatcher) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.dispatcher = d
}

// IsAttached implements stack.LinkEndpoint.
func (i *Interface) IsAttached() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.dispatcher != nil
}

// Capabilities implements stack.LinkEndpoint.
func (*Interface) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }

// MaxHeaderLength implements stack.LinkEndpoint.
func (*Interface) MaxHeaderLength() uint16 { return 0 }

// LinkAddress implements stack.LinkEndpoint.
func (*Interface) LinkAddress() tcpip.LinkAddress { return "" }

// SetLinkAddress implements stack.LinkEndpoint.
func (*Interface) SetLinkAddress(tcpip.LinkAddress) {}

// ARPHardwareType implements stack.LinkEndpoint.
func (*Interface) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.LinkEndpoint.
func (*Interface) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.LinkEndpoint.
func (*Interface) ParseHeader(*stack.PacketBuffer) bool { return true }

// Wait implements stack.LinkEndpoint. There is no goroutine to wait for.
func (*Interface) Wait() {}

// Close implements stack.LinkEndpoint.
func (*Interface) Close() {}

// SetOnCloseAction implements stack.LinkEndpoint.
func (*Interface) SetOnCloseAction(func()) {}
