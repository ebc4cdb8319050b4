// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Network is a simulated network: a clock, and hosts and routers joined by links.
type Network struct {
	// Clock is the time of everything in the network.
	Clock *Clock

	seed uint64

	mu    sync.Mutex
	links []*Link
	keep  int // see KeepLast

	noted atomic.Uint64 // packets in the rings of the links
}

// New returns an empty network. All randomness in it derives from seed.
func New(seed uint64) *Network {
	return &Network{Clock: NewClock(), seed: seed}
}

// Start begins auto mode; see [Clock.Start].
func (n *Network) Start() { n.Clock.Start() }

// Close ends auto mode, if it was started. Nothing else needs to be closed
// here; the stacks are the caller's to destroy.
func (n *Network) Close() { n.Clock.Stop() }

// StackOptions returns options for a stack in this network: IPv4, IPv6, TCP, UDP and
// ICMP, the network's clock, and randomness. The randomness depends on the seed and
// name alone. Names must differ, or stacks pick the same ports and ISNs.
func (n *Network) StackOptions(name string) stack.Options {
	return stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		Clock:              n.Clock,
		RandSource:         newSource(n.seed, "rand "+name),
		SecureRNG:          newSource(n.seed, "secure "+name),
	}
}

// Connect joins two ends by a link. An Interface has one link only.
func (n *Network) Connect(a, b End, cfg LinkConfig) *Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	id := len(n.links)
	l := &Link{net: n, ends: [2]End{a, b}, mtu: cfg.MTU, blackhole: cfg.PMTUBlackhole}
	if l.mtu == 0 {
		l.mtu = DefaultMTU
	}
	for d, w := range []Wire{AtoB: cfg.AtoB, BtoA: cfg.BtoA} {
		l.wires[d].clock = n.Clock
		l.wires[d].rng = rand.New(newSource(n.seed, fmt.Sprintf("link %d %v", id, Direction(d))))
		l.wires[d].configure(w)
	}
	a.attach(l)
	b.attach(l)
	l.keepLast(n.keep)
	n.links = append(n.links, l)
	return l
}
