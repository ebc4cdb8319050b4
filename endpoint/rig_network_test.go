// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// rig is a client with uplinks and a server. Its time is virtual, and advances
// whenever all goroutines wait.
type rig struct {
	tb             testing.TB
	net            *simnet.Multihomed
	client, server *netstack.Stack
	up             []*netstack.NIC // of the client, by uplink
	eth            *netstack.NIC   // of the server
	dialer         Dialer
	listen         ListenConfig

	// A test interferes at these gates of each uplink. inner is between the client
	// and the NAT, outer between the NAT and the core.
	inner, outer []*gate

	trace   *trace
	closing sync.Once
}

// rigConfig configures a rig. The zero value is a client with two uplinks of
// infinite speed.
type rigConfig struct {
	seed       uint64
	uplinks    []simnet.Uplink // nil means two with the usual delay
	bottleneck simnet.LinkConfig
	homes      []netip.Prefix // of the server; nil means simnet's

	// client and server lack clock and randomness. The rig adds both.
	client, server netstack.Config

	// paced gives the usual uplinks the usual rate and queue.
	paced bool
	// jumbo makes the usual links carry packets of 9000 bytes. That saves packets in a
	// test with megabytes in flight.
	jumbo bool
	// offload lets the client's TCP send segments of many packets (GSO).
	offload bool
	// nat, if not nil, is on each uplink that has none of its own.
	nat *simnet.NATConfig

	// coalescing has packets queue at both hosts for so long; see
	// simnet.Host.SetCoalescing.
	coalescing time.Duration

	// env are variables of the environment that the test needs to repeat this rig,
	// beside its name.
	env string
}

const (
	// delay is the usual one-way delay of an uplink.
	delay = 20 * time.Millisecond

	// baseRTT is the round-trip time of the usual paths without a queue.
	baseRTT = 2 * delay
)

// wire is a wire of 50 Mbit/s with a queue of 256 KiB.
func wire(delay time.Duration) simnet.Wire {
	return simnet.Wire{Delay: delay, Rate: 50 * simnet.Mbit, Queue: 256 << 10}
}

// The outer addresses that simnet gives to the NATs of the uplinks.
var (
	nat4 = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}
	nat6 = []netip.Addr{netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:2::1")}
)

// bigBuffers let megabytes be in flight.
func bigBuffers() netstack.Config {
	b := netstack.BufferSizes{Min: 4 << 10, Default: 32 << 20, Max: 32 << 20}
	return netstack.Config{SendBuffer: b, ReceiveBuffer: b}
}

// needPatched skips a test that moves connections if gVisor cannot migrate.
func needPatched(tb testing.TB) {
	tb.Helper()
	if err := netstack.Patched(); err != nil {
		tb.Skip(err)
	}
}

// newRig returns a rig whose connections can migrate, or skips the test. The rig is
// closed when tb ends.
func newRig(tb testing.TB, cfg rigConfig) *rig {
	tb.Helper()
	needPatched(tb)
	return openRig(tb, cfg)
}

// openRig is newRig on any gVisor.
func openRig(tb testing.TB, cfg rigConfig) *rig {
	tb.Helper()
	r := &rig{tb: tb}
	r.net = simnet.NewMultihomed(r.topology(cfg))
	for _, up := range r.net.Uplinks {
		out := new(gate)
		up.Use(out)
		r.outer = append(r.outer, out)
	}
	for _, h := range []*simnet.Host{r.net.Client, r.net.Server} {
		h.SetCoalescing(cfg.coalescing)
	}
	tb.Cleanup(r.close)
	r.trace = startTrace(tb, r.net, cfg.env)
	var nics []*netstack.NIC
	r.client, r.up = r.plug(r.net.Client, cfg.client, cfg.offload)
	r.server, nics = r.plug(r.net.Server, cfg.server, false)
	r.eth = nics[0]
	r.dialer, r.listen = Dialer{Stack: r.client}, ListenConfig{Stack: r.server}
	r.net.Start()
	return r
}

// topology returns the network of cfg, with the inner gates.
func (r *rig) topology(cfg rigConfig) simnet.MultihomedConfig {
	uplinks := slices.Clone(cfg.uplinks)
	if uplinks == nil {
		w := simnet.Wire{Delay: delay}
		if cfg.paced {
			w = wire(delay)
		}
		up := simnet.Uplink{Link: simnet.Symmetric(w)}
		if cfg.jumbo {
			up.Link.MTU, cfg.bottleneck.MTU = 9000, 9000
		}
		uplinks = []simnet.Uplink{up, up}
	}
	for i := range uplinks {
		in := new(gate)
		r.inner = append(r.inner, in)
		uplinks[i].Boxes = []simnet.Box{in}
		if uplinks[i].NAT == nil && cfg.nat != nil {
			nat := *cfg.nat
			nat.OnInvalid = func(p simnet.InvalidPacket) {
				r.tb.Logf("nat %d: %v: %s, passed %v", i, p.Record, p.Reason, p.Passed)
			}
			uplinks[i].NAT = &nat
		}
	}
	return simnet.MultihomedConfig{Seed: cfg.seed, Uplinks: uplinks, Bottleneck: cfg.bottleneck, Server: cfg.homes}
}

// plug makes the stack of a host.
func (r *rig) plug(h *simnet.Host, cfg netstack.Config, offload bool) (*netstack.Stack, []*netstack.NIC) {
	r.tb.Helper()
	opts := r.net.StackOptions(h.Name())
	cfg.Clock, cfg.RandSource, cfg.SecureRNG = opts.Clock, opts.RandSource, opts.SecureRNG
	s, err := netstack.New(cfg)
	if err != nil {
		r.tb.Fatal(err)
	}
	h.Bind(s.GVisor())
	var nics []*netstack.NIC
	for number, i := range h.Interfaces() {
		link := stack.LinkEndpoint(i)
		if offload {
			link = gsoLink{i}
		}
		n, err := s.Attach(link, netstack.AttachOptions{
			Addresses: i.Prefixes(),
			Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
			Capture:   r.trace.capture(fmt.Sprintf("%s %d", h.Name(), number)),
		})
		if err != nil {
			r.tb.Fatal(err)
		}
		nics = append(nics, n)
	}
	return s, nics
}

// gsoLink is an interface that leaves the division of segments into packets to the stack
// below TCP.
type gsoLink struct{ *simnet.Interface }

// GSOMaxSize implements stack.GSOEndpoint.
func (gsoLink) GSOMaxSize() uint32 { return 1 << 15 }

// SupportedGSO implements stack.GSOEndpoint.
func (gsoLink) SupportedGSO() stack.SupportedGSO { return stack.GVisorGSOSupported }

// close ends the stacks, then time. A test that makes many rigs calls it before it
// ends.
func (r *rig) close() {
	r.closing.Do(func() {
		for _, s := range []*netstack.Stack{r.client, r.server} {
			if s != nil {
				s.Close()
			}
		}
		r.net.Close()
	})
}

// sleep lets virtual time pass.
func (r *rig) sleep(d time.Duration) { r.net.Clock.Sleep(d) }

// breakUplink takes an uplink of the client away: link and addresses, at one instant.
func (r *rig) breakUplink(i int) {
	r.tb.Helper()
	r.net.Uplinks[i].SetDown(true)
	for _, p := range r.up[i].Addresses() {
		if err := r.up[i].RemoveAddress(p.Addr()); err != nil {
			r.tb.Fatal(err)
		}
	}
}

// addr parses an address with a port, or without, which means port 0.
func addr(s string) netip.AddrPort {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap
	}
	return netip.AddrPortFrom(netip.MustParseAddr(s), 0)
}
