// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// DefaultPipeMTU is the MTU of a pipe in bytes, that of Ethernet.
	DefaultPipeMTU = 1500

	// DefaultPipeQueue is how many packets may wait at each end of a pipe. 2796
	// segments of 1500 bytes fill the largest send buffer, so one connection does not
	// overflow the queue. The limit bounds the memory for a stack that does not keep
	// up.
	DefaultPipeQueue = 4096
)

// PipeConfig configures [Pipe].
type PipeConfig struct {
	// MTU is the largest packet, in bytes. Zero means DefaultPipeMTU.
	MTU uint32

	// Queue is how many packets may wait for delivery at each end. Zero means
	// DefaultPipeQueue.
	Queue int
}

// Pipe returns the two ends of an in-memory link. Packets that are written to one end
// are delivered, in order, to the stack that the other end is attached to.
//
// Writing never blocks and never delivers. Each end has a goroutine, from Attach to
// Close, that takes all waiting packets and delivers them one by one. So two stacks
// that write to each other at once cannot wait for each other. A packet that finds the
// queue full is dropped (tail drop). The writer then gets ErrNoBufferSpace and
// [PipeEnd.Dropped] counts the packet. A packet for an end that is not attached is
// lost, as on a cable that is not plugged in.
func Pipe(cfg PipeConfig) (*PipeEnd, *PipeEnd) {
	if cfg.MTU == 0 {
		cfg.MTU = DefaultPipeMTU
	}
	if cfg.Queue <= 0 {
		cfg.Queue = DefaultPipeQueue
	}
	a, b := &PipeEnd{limit: cfg.Queue}, &PipeEnd{limit: cfg.Queue}
	a.peer, b.peer = b, a
	a.mtu.Store(cfg.MTU)
	b.mtu.Store(cfg.MTU)
	return a, b
}

// PipeEnd is one end of a [Pipe], a stack.LinkEndpoint without link header.
type PipeEnd struct {
	peer    *PipeEnd
	limit   int
	mtu     atomic.Uint32
	dropped atomic.Uint64

	mu       sync.RWMutex
	linkAddr tcpip.LinkAddress
	in       *packetQueue // nil while not attached
	wg       sync.WaitGroup
}

var _ stack.LinkEndpoint = (*PipeEnd)(nil)

// Dropped returns how many packets written to this end found the queue of the other
// end full.
func (e *PipeEnd) Dropped() uint64 { return e.dropped.Load() }

// WritePackets implements stack.LinkWriter. It returns how many packets were
// queued, and ErrNoBufferSpace if that is not all.
func (e *PipeEnd) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	e.peer.mu.RLock()
	in := e.peer.in
	e.peer.mu.RUnlock()
	if in == nil {
		return pkts.Len(), nil
	}
	n := in.push(pkts.AsSlice())
	if lost := pkts.Len() - n; lost > 0 {
		e.dropped.Add(uint64(lost))
		return n, &tcpip.ErrNoBufferSpace{}
	}
	return n, nil
}

// Attach implements stack.NetworkLinkEndpoint. Packets that wait when the end is
// detached are dropped.
func (e *PipeEnd) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.in != nil {
		e.in.close()
		e.in = nil
	}
	if d == nil {
		return
	}
	in := newPacketQueue(e.limit)
	e.in = in
	e.wg.Go(func() { in.deliver(d) })
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.in != nil
}

// Wait implements stack.NetworkLinkEndpoint. It returns when an end that was detached
// has stopped delivering.
func (e *PipeEnd) Wait() { e.wg.Wait() }

// Close implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) Close() { e.Attach(nil) }

// SetOnCloseAction implements stack.NetworkLinkEndpoint. It does nothing: removing a
// NIC closes its link, not the other way round.
func (e *PipeEnd) SetOnCloseAction(func()) {}

// MTU implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) MTU() uint32 { return e.mtu.Load() }

// SetMTU implements stack.NetworkLinkEndpoint. The other end keeps its own.
func (e *PipeEnd) SetMTU(mtu uint32) { e.mtu.Store(mtu) }

// LinkAddress implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) LinkAddress() tcpip.LinkAddress {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.linkAddr
}

// SetLinkAddress implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) SetLinkAddress(a tcpip.LinkAddress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.linkAddr = a
}

// Capabilities implements stack.NetworkLinkEndpoint. Checksums are computed and
// verified as on a real link.
func (e *PipeEnd) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }

// MaxHeaderLength implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) MaxHeaderLength() uint16 { return 0 }

// ARPHardwareType implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// AddHeader implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.NetworkLinkEndpoint.
func (e *PipeEnd) ParseHeader(*stack.PacketBuffer) bool { return true }

// packetQueue is a bounded queue with one consumer.
type packetQueue struct {
	limit int

	mu     sync.Mutex
	ready  sync.Cond // pkts is not empty, or closed
	pkts   []*stack.PacketBuffer
	closed bool
}

func newPacketQueue(limit int) *packetQueue {
	q := &packetQueue{limit: limit}
	q.ready.L = &q.mu
	return q
}

// push appends as many of pkts as there is room for and returns their number. The
// packets stay the caller's; the queue holds copies that share the payload.
func (q *packetQueue) push(pkts []*stack.PacketBuffer) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return len(pkts)
	}
	n := min(len(pkts), q.limit-len(q.pkts))
	for _, pkt := range pkts[:n] {
		// A fresh packet: the sender's notes about headers and routes do not hold for
		// the receiver.
		c := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: pkt.ToBuffer()})
		c.NetworkProtocolNumber = pkt.NetworkProtocolNumber
		q.pkts = append(q.pkts, c)
	}
	if len(q.pkts) > 0 {
		q.ready.Signal()
	}
	return n
}

// close makes deliver return and further packets be lost.
func (q *packetQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	release(q.pkts)
	q.pkts = nil
	q.ready.Signal()
}

// deliver hands packets to d until the queue is closed, all that wait in one go.
func (q *packetQueue) deliver(d stack.NetworkDispatcher) {
	var batch []*stack.PacketBuffer
	for {
		q.mu.Lock()
		for len(q.pkts) == 0 && !q.closed {
			q.ready.Wait()
		}
		if q.closed {
			q.mu.Unlock()
			return
		}
		batch, q.pkts = q.pkts, batch[:0]
		q.mu.Unlock()
		for _, pkt := range batch {
			d.DeliverNetworkPacket(pkt.NetworkProtocolNumber, pkt)
		}
		release(batch)
	}
}

func release(pkts []*stack.PacketBuffer) {
	for i, pkt := range pkts {
		pkt.DecRef()
		pkts[i] = nil
	}
}
