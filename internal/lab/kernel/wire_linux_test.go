// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// The two ends of a wire.
var (
	leftAddr  = netip.MustParsePrefix("10.1.0.1/24")
	rightAddr = netip.MustParsePrefix("10.1.0.2/24")
)

// wired makes two namespaces with a wire between them.
func wired(t testing.TB, cfg kernel.WireConfig) (left, right *kernel.Namespace, w *kernel.Wire) {
	t.Helper()
	network := newNetwork(t)
	left, right = newNamespace(t, network, "left"), newNamespace(t, network, "right")
	w, err := network.Wire(left, "wan0", right, "wan0", cfg)
	must(t, err)
	must(t, left.AddAddress("wan0", leftAddr))
	must(t, right.AddAddress("wan0", rightAddr))
	return left, right, w
}

func TestWireDelay(t *testing.T) {
	for _, delay := range []time.Duration{0, 300 * time.Microsecond, 10 * time.Millisecond, 25 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			left, right, _ := wired(t, kernel.WireConfig{Delay: delay})
			echo(t, right)
			rtt := mustPingPong(t, dial(t, left, rightAddr.Addr()), 40)
			if rtt < 2*delay {
				t.Errorf("RTT %v, below twice the delay of %v", rtt, delay)
			}
			// The best of many, as a busy machine delays some.
			if rtt > 2*delay+time.Millisecond {
				t.Errorf("RTT %v, more than 1 ms above twice the delay of %v", rtt, delay)
			}
			t.Logf("%v above", rtt-2*delay)
		})
	}
}

// TestWireDelayWhileBusy: goroutines take all processors of the runtime. They must not
// delay packets until they are preempted. Preemption comes after 10 ms, at each of the
// four goroutines that a packet and its answer wake.
func TestWireDelayWhileBusy(t *testing.T) {
	const delay = 5 * time.Millisecond
	spinning := runtime.GOMAXPROCS(0)
	left, right, _ := wired(t, kernel.WireConfig{Delay: delay})
	echo(t, right)
	c := dial(t, left, rightAddr.Addr())

	var stop atomic.Bool
	var spinners sync.WaitGroup
	defer spinners.Wait()
	defer stop.Store(true)
	for range spinning {
		spinners.Go(func() {
			for !stop.Load() {
			}
		})
	}
	if rtt := mustPingPong(t, c, 40); rtt < 2*delay || rtt > 2*delay+10*time.Millisecond {
		t.Errorf("RTT %v, want about %v", rtt, 2*delay)
	}
}

func TestWireRate(t *testing.T) {
	const rate, size = 20e6, 1 << 20
	left, right, w := wired(t, kernel.WireConfig{Rate: rate, Queue: 64 << 10})
	ln, err := right.Listen(newContext(t), "tcp", endpoint(rightAddr.Addr()))
	must(t, err)
	defer ln.Close()
	c := dial(t, left, rightAddr.Addr())
	server, err := ln.Accept()
	must(t, err)
	defer server.Close()

	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyN(c, zeros{}, size)
		sent <- err
	}()
	must(t, server.SetDeadline(time.Now().Add(patience)))
	start := time.Now()
	_, err = io.CopyN(io.Discard, server, size)
	must(t, err)
	must(t, <-sent)
	took := time.Since(start)

	// The bytes that the queue lets through at once do not count against the rate.
	least := time.Duration(float64(size-64<<10) * 8 / rate * float64(time.Second))
	if took < least {
		t.Errorf("%d bytes took %v, the rate allows %v", size, took, least)
	}
	stats := w.Stats(kernel.AtoB)
	if stats.DeliveredBytes < size {
		t.Errorf("%d bytes delivered, of %d that arrived", stats.DeliveredBytes, size)
	}
	t.Logf("%v, at the full rate %v; %+v", took, time.Duration(size*8/rate*1e9), stats)
}

// TestWireQueueDrops fills the queue by UDP, which does not slow down.
func TestWireQueueDrops(t *testing.T) {
	const rate, queue, size, packets = 1e6, 10e3, 1000, 100
	left, right, w := wired(t, kernel.WireConfig{Rate: rate, Queue: queue})
	send := newUDPSender(t, left, right)
	for range packets {
		send(make([]byte, size))
	}
	stats := awaitOffered(t, w, kernel.AtoB, packets)
	// 10 fit, and as many more as are sent in the meantime.
	if stats.QueueDrops == 0 || stats.QueueDrops > packets-9 {
		t.Errorf("%d of %d packets dropped", stats.QueueDrops, packets)
	}
}

func TestWireLoss(t *testing.T) {
	left, right, w := wired(t, kernel.WireConfig{Loss: 1})
	send := newUDPSender(t, left, right)
	send([]byte("lost"))
	if stats := awaitOffered(t, w, kernel.AtoB, 1); stats.Lost != stats.Packets {
		t.Errorf("%+v: want all lost", stats)
	}
	must(t, w.SetConfig(kernel.WireConfig{}))
	echo(t, right)
	mustPingPong(t, dial(t, left, rightAddr.Addr()), 1)
	if err := w.SetConfig(kernel.WireConfig{Loss: 2}); err == nil {
		t.Error("a loss of 2 is no error")
	}
}

func TestWireDown(t *testing.T) {
	left, right, w := wired(t, kernel.WireConfig{})
	echo(t, right)
	c := dial(t, left, rightAddr.Addr())
	mustPingPong(t, c, 1)

	w.SetDown(true)
	before := w.Stats(kernel.AtoB)
	_, err := c.Write([]byte{1})
	must(t, err) // the host sees nothing of it
	if stats := awaitOffered(t, w, kernel.AtoB, before.Packets+1); stats.DownDrops == 0 || stats.DeliveredPackets != before.DeliveredPackets {
		t.Errorf("%+v: a wire that is down delivers", stats)
	}
	w.SetDown(false)
	_, err = io.ReadFull(c, make([]byte, 1)) // retransmitted
	must(t, err)
}

// TestWireDownLosesWhatIsUnderWay takes a wire down with a packet on it.
func TestWireDownLosesWhatIsUnderWay(t *testing.T) {
	left, right, w := wired(t, kernel.WireConfig{Delay: 100 * time.Millisecond})
	send := newUDPSender(t, left, right)
	send([]byte("under way"))
	awaitOffered(t, w, kernel.AtoB, 1)
	w.SetDown(true)
	w.SetDown(false)
	await(t, "the packet is lost", func() bool { return w.Stats(kernel.AtoB).DownDrops > 0 })
}

func TestWireTap(t *testing.T) {
	var armed, syns atomic.Int64
	left, right, w := wired(t, kernel.WireConfig{Tap: func(d kernel.Direction, p []byte) bool {
		if d != kernel.AtoB || !isSYN(p) {
			return true
		}
		syns.Add(1)
		return armed.Add(-1) < 0
	}})
	armed.Store(1)
	echo(t, right)
	mustPingPong(t, dial(t, left, rightAddr.Addr()), 1)
	if syns.Load() != 2 || w.Stats(kernel.AtoB).Tapped != 1 {
		t.Errorf("%d SYNs, %+v: want the first dropped and a second", syns.Load(), w.Stats(kernel.AtoB))
	}
}

// TestWireCutsSegments: packets are as on the wire, with checksums, and no longer
// than the MTU.
func TestWireCutsSegments(t *testing.T) {
	const mtu = 1300
	var longest, wrong atomic.Int64
	left, right, _ := wired(t, kernel.WireConfig{MTU: mtu, Tap: func(_ kernel.Direction, p []byte) bool {
		longest.Store(max(longest.Load(), int64(len(p))))
		if p[0]>>4 == 4 && p[9] == tcp && tcpChecksum(p) != 0 {
			wrong.Add(1)
		}
		return true
	}})
	echo(t, right)
	_, err := transfer(dial(t, left, rightAddr.Addr()), 1<<20)
	must(t, err)
	if longest.Load() != mtu || wrong.Load() != 0 {
		t.Errorf("longest packet %d bytes, %d wrong checksums, want %d and none", longest.Load(), wrong.Load(), mtu)
	}
}

func TestVeth(t *testing.T) {
	network := newNetwork(t)
	left, right := newNamespace(t, network, "left"), newNamespace(t, network, "right")
	must(t, network.Veth(left, "eth0", right, "eth1", kernel.VethConfig{MTU: 9000}))
	must(t, left.AddAddress("eth0", leftAddr))
	must(t, right.AddAddress("eth1", rightAddr))
	peers := echo(t, right)
	c := dial(t, left, rightAddr.Addr())
	if got := next(t, peers).Addr(); got != leftAddr.Addr() {
		t.Errorf("the peer sees %v, want %v", got, leftAddr.Addr())
	}
	_, err := transfer(c, 16<<20)
	must(t, err)
	if err := network.Veth(left, "eth0", right, "eth2", kernel.VethConfig{}); err == nil {
		t.Error("a second device of one name is no error")
	}
}

func BenchmarkWire(b *testing.B) {
	left, right, _ := wired(b, kernel.WireConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ln, err := right.Listen(ctx, "tcp", endpoint(rightAddr.Addr()))
	must(b, err)
	defer ln.Close()
	c, err := left.Dial(ctx, "tcp", endpoint(rightAddr.Addr()))
	must(b, err)
	defer c.Close()
	server, err := ln.Accept()
	must(b, err)
	defer server.Close()

	const size = 1 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyN(c, zeros{}, size*int64(b.N))
		sent <- err
	}()
	b.ResetTimer()
	_, err = io.CopyN(io.Discard, server, size*int64(b.N))
	b.StopTimer()
	must(b, errors.Join(err, <-sent))
}

const tcp = 6 // IP protocol number

// isSYN recognises the first segment of a connection over IPv4.
func isSYN(p []byte) bool {
	const syn, ack = 1 << 1, 1 << 4
	return p[0]>>4 == 4 && p[9] == tcp && p[int(p[0]&0xf)*4+13]&(syn|ack) == syn
}

// tcpChecksum is zero if the checksum of a TCP segment over IPv4 is right.
func tcpChecksum(p []byte) uint16 {
	segment := p[int(p[0]&0xf)*4:]
	sum := uint32(tcp) + uint32(len(segment))
	for i := 12; i < 20; i += 2 { // the addresses
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	for ; len(segment) >= 2; segment = segment[2:] {
		sum += uint32(binary.BigEndian.Uint16(segment))
	}
	if len(segment) == 1 {
		sum += uint32(segment[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
