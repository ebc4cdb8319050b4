// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"context"
	"io"

	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// BenchmarkForward measures the simulator alone: full-size TCP segments from an
// interface over an uplink, a NAT, a router and a bottleneck to an interface.
func BenchmarkForward(b *testing.B) {
	n := New(1)
	src, dst := newProbe(n, "client"), newProbe(n, "server")
	core := n.NewRouter("core", RouterConfig{})
	up := n.Connect(src.Interface, core, Symmetric(Wire{Delay: time.Millisecond}))
	down := n.Connect(core, dst.Interface, Symmetric(Wire{Delay: time.Millisecond, Rate: Gbit}))
	up.Use(NewNAT(NATConfig{Addr4: natAddr}))
	core.Route(hostPrefix(serverAddr.Addr()), down)
	dst.Attach(discard{})
	p := tcpPacket(clientAddr, serverAddr, segment{seq: 101, ack: 1, win: 65535, flags: fACK, payload: 1460})
	b.SetBytes(1460)
	for range b.N {
		src.send(p)
		n.Clock.RunFor(20 * time.Microsecond)
	}
	n.Clock.RunFor(time.Second)
	if s := down.Stats(AtoB); s.Delivered != uint64(b.N) {
		b.Fatalf("stats %+v", s)
	}
}

// discard is a dispatcher without a stack.
type discard struct{ stack.NetworkDispatcher }

func (discard) DeliverNetworkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// BenchmarkTransfer measures stacks and simulator together, in auto mode.
func BenchmarkTransfer(b *testing.B) {
	const size = 64 << 20
	m := NewMultihomed(MultihomedConfig{
		Uplinks:    []Uplink{{Link: Symmetric(Wire{Delay: 2 * time.Millisecond}), NAT: &NATConfig{}}},
		Bottleneck: Symmetric(Wire{Delay: 3 * time.Millisecond, Rate: 500 * Mbit, Queue: 8 << 20}),
	})
	client, server := newStack(b, m.Client), newStack(b, m.Server)
	m.Start()
	defer m.Close()
	ln, err := gonet.ListenTCP(server, fullAddr(serverAddr), ipv4.ProtocolNumber)
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	b.SetBytes(size)
	for range b.N {
		c, err := gonet.DialContextTCP(context.Background(), client, fullAddr(serverAddr), ipv4.ProtocolNumber)
		if err != nil {
			b.Fatal(err)
		}
		s, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer s.Close()
			if _, err := s.Write(make([]byte, size)); err != nil {
				b.Error(err)
			}
		}()
		if n, err := io.Copy(io.Discard, c); err != nil || n != size {
			b.Fatal(n, err)
		}
		c.Close()
	}
}
