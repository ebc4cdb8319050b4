// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// httpPort is where the server listens.
const httpPort = 80

// minQueue is the least queue of the bottleneck in bytes: a burst of an initial
// window (RFC 6928) and one of the acknowledgements must fit.
const minQueue = 32 << 10

// network is a run's network, with the stacks at its ends:
//
//	        ┌─ uplink 0: IPv4, IPv6 ─┐
//	client ─┼─ uplink 1: IPv4 ─ NAT ─┼─ core ─ bottleneck ─ server
//	        └─ uplink 2: IPv4, IPv6 ─┘
//
// At any time, either end has the one address that it uses. In a migration that makes
// before it breaks, it has the next one, too.
type network struct {
	sim            *simnet.Multihomed
	client, server *netstack.Stack
	uplinks        [uplinks]*netstack.NIC
	ethernet       *netstack.NIC // the server's

	meter  *meter
	sender *sender
}

// newNetwork builds the network and its stacks, with both ends where they start.
func newNetwork(cfg Config, start position) (*network, error) {
	m := simnet.NewMultihomed(topology(cfg))
	n := &network{sim: m, meter: &meter{clock: m.Clock}, sender: &sender{}}
	m.Bottleneck.Use(n.sender.box())
	for i := range n.uplinks {
		m.Uplinks[i].SetDown(i != start.client.uplink)
	}
	if err := n.plug(cfg, start); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// topology puts the delay into the uplinks: a link that goes down takes with it the
// packets under way. It puts rate and loss into the link that all share.
func topology(cfg Config) simnet.MultihomedConfig {
	access := simnet.Symmetric(simnet.Wire{Delay: cfg.RTT / 2})
	shared := simnet.Wire{
		Rate: cfg.Rate,
		// By the rule of thumb, the queue holds as much as the link sends in a
		// round-trip time.
		Queue: max(int(float64(cfg.Rate)/8*cfg.RTT.Seconds()), minQueue),
		Loss:  cfg.Loss,
	}
	mc := simnet.MultihomedConfig{
		Seed:       cfg.Seed,
		Uplinks:    make([]simnet.Uplink, uplinks),
		Bottleneck: simnet.Symmetric(shared),
	}
	for i := range mc.Uplinks {
		mc.Uplinks[i].Link = access
	}
	// A packet that any version of Linux calls invalid does not pass.
	mc.Uplinks[behindNAT].NAT = &simnet.NATConfig{Conntrack: simnet.Conntrack{Legacy: true}}
	for _, p := range tour {
		up := &mc.Uplinks[p.uplink]
		up.Prefixes = append(up.Prefixes, prefix(p.addr))
	}
	for _, addrs := range servers {
		for _, a := range addrs {
			mc.Server = append(mc.Server, prefix(a))
		}
	}
	return mc
}

// plug builds the stacks and attaches them to the network.
func (n *network) plug(cfg Config, start position) (err error) {
	if n.client, err = n.newStack(n.sim.Client); err != nil {
		return err
	}
	if n.server, err = n.newStack(n.sim.Server); err != nil {
		return err
	}
	for i, ifc := range n.sim.Client.Interfaces() {
		capture := both(inboundTCP(n.meter.arrived), cfg.captureOf(fmt.Sprintf("client up%d", i)))
		var addrs []netip.Prefix
		if i == start.client.uplink {
			addrs = []netip.Prefix{prefix(start.client.addr)}
		}
		if n.uplinks[i], err = attach(n.client, ifc, addrs, capture); err != nil {
			return err
		}
	}
	n.ethernet, err = attach(n.server, n.sim.Server.Interfaces()[0],
		[]netip.Prefix{prefix(servers[0][0]), prefix(servers[1][0])}, cfg.captureOf("server eth0"))
	return err
}

func (n *network) newStack(h *simnet.Host) (*netstack.Stack, error) {
	o := n.sim.StackOptions(h.Name())
	s, err := netstack.New(netstack.Config{Clock: o.Clock, RandSource: o.RandSource, SecureRNG: o.SecureRNG})
	if err != nil {
		return nil, err
	}
	h.Bind(s.GVisor())
	return s, nil
}

func attach(s *netstack.Stack, link stack.LinkEndpoint, addrs []netip.Prefix, capture func(netstack.CapturedPacket)) (*netstack.NIC, error) {
	return s.Attach(link, netstack.AttachOptions{
		Addresses: addrs,
		Capture:   capture,
		Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
	})
}

// close ends both stacks, then time.
func (n *network) close() {
	for _, s := range []*netstack.Stack{n.client, n.server} {
		if s != nil {
			s.Close()
		}
	}
	n.sim.Close()
}

// arrive gives the end that moves its next address, and the client the link that
// leads there.
func (n *network) arrive(s step) error {
	if s.initiator == Server {
		return n.ethernet.AddAddress(prefix(s.to.server))
	}
	n.sim.Uplinks[s.to.client.uplink].SetDown(false)
	return n.uplinks[s.to.client.uplink].AddAddress(prefix(s.to.client.addr))
}

// invalid returns how many packets the NAT has dropped since they did not fit the
// connection as it knew it.
func (n *network) invalid() uint64 { return n.sim.NATs[behindNAT].Stats().Invalid }

// leave takes the previous address away, and the client's link in the same
// instant down with all that is on it.
func (n *network) leave(s step) error {
	if s.initiator == Server {
		return n.ethernet.RemoveAddress(s.from.server)
	}
	n.sim.Uplinks[s.from.client.uplink].SetDown(true)
	return n.uplinks[s.from.client.uplink].RemoveAddress(s.from.client.addr)
}

// prefix returns the subnet of a with a in it.
func prefix(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 24)
	}
	return netip.PrefixFrom(a, 64)
}
