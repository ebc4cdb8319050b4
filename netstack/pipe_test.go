// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// recorder keeps the payload of the packets delivered to it.
type recorder struct {
	t       testing.TB
	gate    sync.Mutex    // held to make deliveries wait
	begun   chan struct{} // a delivery has begun since somebody looked
	arrived chan struct{} // and one has ended

	mu  sync.Mutex
	got [][]byte
}

func newRecorder(t testing.TB) *recorder {
	return &recorder{t: t, begun: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
}

func (r *recorder) DeliverNetworkPacket(proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	notify(r.begun)
	r.gate.Lock()
	defer r.gate.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, bytes.Clone(pkt.ToView().AsSlice()))
	notify(r.arrived)
}

func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (r *recorder) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// wait waits for n packets and returns them.
func (r *recorder) wait(n int) [][]byte {
	r.t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		got := r.got
		r.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-r.arrived:
		case <-timeout:
			r.t.Fatalf("%d packets of %d have come", len(got), n)
		}
	}
}

// write writes one list of packets, of one byte each.
func write(e *PipeEnd, payload ...byte) (int, tcpip.Error) {
	var list stack.PacketBufferList
	for _, b := range payload {
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData([]byte{b})})
		pkt.NetworkProtocolNumber = header.IPv4ProtocolNumber
		list.PushBack(pkt)
	}
	defer list.Reset()
	return e.WritePackets(list)
}

func TestPipeOrder(t *testing.T) {
	a, b := Pipe(PipeConfig{})
	r := newRecorder(t)
	b.Attach(r)
	defer b.Wait()
	defer b.Close()
	const lists = 100
	for i := range lists {
		if n, terr := write(a, byte(2*i), byte(2*i+1)); n != 2 || terr != nil {
			t.Fatalf("wrote %d, %v", n, terr)
		}
	}
	for i, p := range r.wait(2 * lists) {
		if len(p) != 1 || p[0] != byte(i) {
			t.Fatalf("packet %d is %v", i, p)
		}
	}
}

func TestPipeOverflow(t *testing.T) {
	a, b := Pipe(PipeConfig{Queue: 4})
	r := newRecorder(t)
	r.gate.Lock()
	b.Attach(r)
	defer b.Wait()
	defer b.Close()
	// The consumer takes the first packet and is stuck with it.
	write(a, 0)
	<-r.begun
	n, terr := write(a, 1, 2, 3, 4, 5, 6)
	if _, ok := terr.(*tcpip.ErrNoBufferSpace); n != 4 || !ok || a.Dropped() != 2 {
		t.Errorf("wrote %d of 6, %v, %d dropped", n, terr, a.Dropped())
	}
	r.gate.Unlock()
	if got := r.wait(5); !bytes.Equal(bytes.Join(got, nil), []byte{0, 1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}
	// There is room again.
	if n, terr := write(a, 7); n != 1 || terr != nil {
		t.Errorf("wrote %d of 1, %v", n, terr)
	}
	r.wait(6)
}

// TestPipeCrossing has both ends answer from within a delivery.
func TestPipeCrossing(t *testing.T) {
	a, b := Pipe(PipeConfig{})
	const limit = 200
	echo := func(e *PipeEnd, done chan<- struct{}) stack.NetworkDispatcher {
		return dispatchFunc(func(pkt *stack.PacketBuffer) {
			if n := pkt.ToView().AsSlice()[0]; n < limit {
				write(e, n+1)
			} else {
				close(done)
			}
		})
	}
	done := make(chan struct{})
	a.Attach(echo(a, done))
	b.Attach(echo(b, done))
	write(a, 0)
	<-done
	a.Close()
	b.Close()
	a.Wait()
	b.Wait()
}

type dispatchFunc func(*stack.PacketBuffer)

func (f dispatchFunc) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	f(pkt)
}

func (f dispatchFunc) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

func TestPipeAttach(t *testing.T) {
	a, b := Pipe(PipeConfig{MTU: 1400})
	if a.MTU() != 1400 || b.MTU() != 1400 || a.IsAttached() {
		t.Errorf("MTU %d and %d, attached %v", a.MTU(), b.MTU(), a.IsAttached())
	}
	// Nobody is there: lost, not an error, not queued.
	if n, terr := write(a, 1); n != 1 || terr != nil {
		t.Errorf("wrote %d, %v", n, terr)
	}
	first, second := newRecorder(t), newRecorder(t)
	b.Attach(first)
	write(a, 2)
	first.wait(1)
	b.Attach(nil)
	b.Wait()
	write(a, 3)
	b.Attach(second)
	write(a, 4)
	if got := second.wait(1); len(first.got) != 1 || first.got[0][0] != 2 || got[0][0] != 4 {
		t.Errorf("first got %v, second %v", first.got, got)
	}
	b.Close()
	b.Wait()
	if b.IsAttached() {
		t.Error("attached after close")
	}
}
