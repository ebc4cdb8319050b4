// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// device is a TUN device as a driver sees it. read has one caller at a time, the
// rest any number.
type device interface {
	// read waits for the next packet from the host.
	read() (inbound, error)
	// write hands a packet to the host, without waiting for anybody to take it from
	// there, and keeps nothing of pkt.
	write(pkt *stack.PacketBuffer) error
	// Close removes the device and makes read return.
	io.Closer
}

// inbound is a packet from the host.
type inbound struct {
	payload  buffer.Buffer
	verified bool // the host vouches for the checksums
	gso      bool // more than one segment
}

// Stats counts the packets of a link.
type Stats struct {
	RxPackets    uint64 `json:"rx_packets"`    // from the host
	RxGSO        uint64 `json:"rx_gso"`        // of these, such of more than one segment
	RxUnverified uint64 `json:"rx_unverified"` // of these, such whose checksums the stack had to verify
	RxDropped    uint64 `json:"rx_dropped"`    // neither IPv4 nor IPv6, or no stack attached
	TxPackets    uint64 `json:"tx_packets"`    // to the host
	TxGSO        uint64 `json:"tx_gso"`        // of these, such of more than one segment
	TxDropped    uint64 `json:"tx_dropped"`    // refused by the host; its device may be down
}

// Link is a TUN device as a stack.LinkEndpoint. One goroutine, from Attach to
// Close, reads from the device and delivers to the stack. Its methods are safe for
// concurrent use.
type Link struct {
	dev    device
	name   string
	driver Driver
	mtu    atomic.Uint32

	// verified is about the packet that is being delivered, see Capabilities.
	verified atomic.Bool

	rxPackets, rxGSO, rxUnverified, rxDropped atomic.Uint64
	txPackets, txGSO, txDropped               atomic.Uint64

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher // nil while not attached
	linkAddr   tcpip.LinkAddress
	reading    bool
	wg         sync.WaitGroup

	end  sync.Once
	done chan struct{}
	err  error // set before done is closed
}

var (
	_ stack.LinkEndpoint = (*Link)(nil)
	_ stack.GSOEndpoint  = (*Link)(nil)
)

// Open creates a TUN device with the MTU of cfg. It is down until [Link.Configure]. On
// Linux, the device belongs to the network namespace of the calling thread. The error
// is an [ErrConfig], [ErrPermission], [ErrNoDriver] or [ErrInUse], or an error of the
// system.
func Open(cfg Config) (*Link, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("tun: %w", err)
	}
	dev, name, err := openDevice(cfg)
	if err != nil {
		return nil, fmt.Errorf("tun: %w", err)
	}
	return newLink(dev, name, cfg), nil
}

func newLink(dev device, name string, cfg Config) *Link {
	l := &Link{dev: dev, name: name, driver: cfg.Driver, done: make(chan struct{})}
	l.mtu.Store(cfg.MTU)
	return l
}

// Name returns the name of the device.
func (l *Link) Name() string { return l.name }

// Driver returns the driver in use, never Auto.
func (l *Link) Driver() Driver { return l.driver }

// Stats returns the counters of the link.
func (l *Link) Stats() Stats {
	return Stats{
		RxPackets:    l.rxPackets.Load(),
		RxGSO:        l.rxGSO.Load(),
		RxUnverified: l.rxUnverified.Load(),
		RxDropped:    l.rxDropped.Load(),
		TxPackets:    l.txPackets.Load(),
		TxGSO:        l.txGSO.Load(),
		TxDropped:    l.txDropped.Load(),
	}
}

// Done returns a channel that is closed when the link has ended: by Close, or
// because somebody else removed the device.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err returns nil before Done is closed and after Close, else why the link ended.
func (l *Link) Err() error {
	select {
	case <-l.done:
		return l.err
	default:
		return nil
	}
}

// Close implements stack.NetworkLinkEndpoint: it removes the device, and with it
// the addresses and routes on it. A link that is attached is closed by its stack.
func (l *Link) Close() { l.finish(nil) }

func (l *Link) finish(err error) {
	l.end.Do(func() {
		l.err = err
		// Nothing can be done about an error: the descriptor is gone either way.
		_ = l.dev.Close()
		close(l.done)
	})
}

// Wait implements stack.NetworkLinkEndpoint: it returns when a link that was
// closed has stopped delivering.
func (l *Link) Wait() { l.wg.Wait() }

// SetOnCloseAction implements stack.NetworkLinkEndpoint. It does nothing: the
// device goes when the link is closed, not the other way round.
func (l *Link) SetOnCloseAction(func()) {}

// Attach implements stack.NetworkLinkEndpoint. Packets that come while no stack is
// attached are dropped.
func (l *Link) Attach(d stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatcher = d
	if d != nil && !l.reading {
		l.reading = true
		l.wg.Go(l.read)
	}
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (l *Link) IsAttached() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.dispatcher != nil
}

// read delivers packets until the link is closed.
func (l *Link) read() {
	for {
		in, err := l.dev.read()
		if err != nil {
			l.finish(fmt.Errorf("tun: %s: %w", l.name, err))
			return
		}
		l.rxPackets.Add(1)
		if in.gso {
			l.rxGSO.Add(1)
		}
		if !in.verified {
			l.rxUnverified.Add(1)
		}
		l.deliver(in)
	}
}

func (l *Link) deliver(in inbound) {
	l.mu.RLock()
	d := l.dispatcher
	l.mu.RUnlock()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: in.payload})
	defer pkt.DecRef()
	proto, ok := protocolOf(pkt)
	if d == nil || !ok {
		l.rxDropped.Add(1)
		return
	}
	l.verified.Store(in.verified)
	d.DeliverNetworkPacket(proto, pkt)
}

// protocolOf tells the protocol by the version field: a TUN packet without the
// protocol information header has no other mark.
func protocolOf(pkt *stack.PacketBuffer) (tcpip.NetworkProtocolNumber, bool) {
	first, ok := pkt.Data().PullUp(1)
	if !ok {
		return 0, false
	}
	switch header.IPVersion(first) {
	case header.IPv4Version:
		return header.IPv4ProtocolNumber, true
	case header.IPv6Version:
		return header.IPv6ProtocolNumber, true
	default:
		return 0, false
	}
}

// WritePackets implements stack.LinkWriter. It returns how many packets the host
// took, and ErrNoBufferSpace if that is not all.
func (l *Link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	all := pkts.AsSlice()
	for n, pkt := range all {
		if err := l.dev.write(pkt); err != nil {
			l.txDropped.Add(uint64(len(all) - n))
			return n, &tcpip.ErrNoBufferSpace{}
		}
		l.txPackets.Add(1)
		if l.driver == VNetHdr && segmented(pkt) {
			l.txGSO.Add(1)
		}
	}
	return len(all), nil
}

// segmented reports whether the host has to cut pkt into segments.
func segmented(pkt *stack.PacketBuffer) bool {
	return pkt.GSOOptions.Type != stack.GSONone && pkt.Data().Size() > int(pkt.GSOOptions.MSS)
}

// Capabilities implements stack.NetworkLinkEndpoint. A NIC asks for them with each
// packet that it gets, to know whether to verify its checksums. The host vouches for
// some packets only. So the answer is about the packet that is being delivered.
//
// CapabilityTXChecksumOffload is not among them. It would leave the checksum out of
// packets without GSOOptions too, such as a RST, and nothing would say so. Packets with
// GSOOptions say it themselves.
func (l *Link) Capabilities() stack.LinkEndpointCapabilities {
	if l.verified.Load() {
		return stack.CapabilityRXChecksumOffload
	}
	return stack.CapabilityNone
}

// maxGSO is the largest packet with headers, in bytes: that of IPv4.
const maxGSO = 65535

// GSOMaxSize implements stack.GSOEndpoint.
func (l *Link) GSOMaxSize() uint32 { return maxGSO }

// SupportedGSO implements stack.GSOEndpoint.
func (l *Link) SupportedGSO() stack.SupportedGSO {
	if l.driver == VNetHdr {
		return stack.HostGSOSupported
	}
	return stack.GSONotSupported
}

// MTU implements stack.NetworkLinkEndpoint.
func (l *Link) MTU() uint32 { return l.mtu.Load() }

// SetMTU implements stack.NetworkLinkEndpoint. The device keeps its own.
func (l *Link) SetMTU(mtu uint32) { l.mtu.Store(mtu) }

// LinkAddress implements stack.NetworkLinkEndpoint.
func (l *Link) LinkAddress() tcpip.LinkAddress {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.linkAddr
}

// SetLinkAddress implements stack.NetworkLinkEndpoint. A TUN device has no use for
// the address.
func (l *Link) SetLinkAddress(a tcpip.LinkAddress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.linkAddr = a
}

// MaxHeaderLength implements stack.NetworkLinkEndpoint.
func (l *Link) MaxHeaderLength() uint16 { return 0 }

// ARPHardwareType implements stack.NetworkLinkEndpoint.
func (l *Link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.NetworkLinkEndpoint.
func (l *Link) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.NetworkLinkEndpoint.
func (l *Link) ParseHeader(*stack.PacketBuffer) bool { return true }
