// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Host is a machine with a gVisor stack, attached by interfaces.
type Host struct {
	net   *Network
	name  string
	guard guard

	mu         sync.Mutex
	stack      pausable
	interfaces []*Interface
	coalescing time.Duration   // see SetCoalescing
	backlog    []arrivedPacket // packets that wait for interrupt
	interrupt  event
}

// NewHost adds a host. Bind or Plug gives it its stack.
func (n *Network) NewHost(name string) *Host {
	h := &Host{net: n, name: name}
	h.guard.host = h
	h.interrupt.task = (*interrupt)(h)
	n.Clock.barrier.add(&h.guard)
	return h
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// NewInterface adds an interface. The prefixes, host address and length, are meant for
// it; [Host.Plug] configures them.
func (h *Host) NewInterface(name string, prefixes ...netip.Prefix) *Interface {
	i := &Interface{host: h, name: name, prefixes: prefixes}
	i.egress.task = (*egress)(i)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.interfaces = append(h.interfaces, i)
	return i
}

// Interfaces returns the host's interfaces in the order they were added.
func (h *Host) Interfaces() []*Interface {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Interface(nil), h.interfaces...)
}

// Bind tells which stack the host's interfaces are given to, so that stepping
// can wait for it. A second Bind replaces the first, for a host that reboots.
func (h *Host) Bind(st *stack.Stack) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stack = st
}

// Plug binds st and configures it: the host's interfaces become NICs 1, 2, ...
// with their prefixes and a default route each.
func (h *Host) Plug(st *stack.Stack) error {
	h.Bind(st)
	for n, i := range h.Interfaces() {
		id := tcpip.NICID(n + 1)
		if err := st.CreateNICWithOptions(id, i, stack.NICOptions{Name: i.name}); err != nil {
			return fmt.Errorf("simnet: create NIC %d: %v", id, err)
		}
		for _, p := range i.prefixes {
			if err := AddAddress(st, id, p); err != nil {
				return err
			}
		}
		st.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: id})
		st.AddRoute(tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: id})
	}
	return nil
}

// AddAddress gives a NIC of st the address of p.
func AddAddress(st *stack.Stack, id tcpip.NICID, p netip.Prefix) error {
	proto := ipv4.ProtocolNumber
	if p.Addr().Is6() {
		proto = ipv6.ProtocolNumber
	}
	addr := tcpip.ProtocolAddress{
		Protocol:          proto,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: toTCPIP(p.Addr()), PrefixLen: p.Bits()},
	}
	if err := st.AddProtocolAddress(id, addr, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("simnet: add %v to NIC %d: %v", p, id, err)
	}
	return nil
}

// running returns the stack if the barrier has to wait for it. A stack without
// interfaces gets no packets, and once destroyed it can't be waited for.
func (h *Host) running() pausable {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.interfaces {
		if i.IsAttached() {
			if h.stack == nil {
				panic(fmt.Sprintf("simnet: host %q is stepped but has no stack; call Host.Bind", h.name))
			}
			return h.stack
		}
	}
	return nil
}
