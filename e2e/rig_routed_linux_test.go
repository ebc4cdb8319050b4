// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/netip"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
)

// routedClient puts a stack into the client that has IPv6 addresses of its own, by the
// first uplink. It is behind a firewall that lets both sides open connections.
func (w *world) routedClient(cfg netstack.Config) *embedded {
	w.t.Helper()
	to, nat := netip.MustParsePrefix("2001:db8:7::/64"), w.NATs[0]
	w.must(nat.AddRoute(kernel.Route{To: to, Via: w.Uplinks[0].Addr6().Addr(), Dev: "lan0"}))
	w.must(w.Internet.AddRoute(kernel.Route{To: to, Via: netip.MustParseAddr("2001:db8:a::2"), Dev: "to-wifi0"}))
	w.must(nat.Firewall(kernel.FirewallConfig{Inside: []string{"lan0", "wan0"}}))
	return w.embedRouted(w.Client, to, cfg)
}

// routedServer is the same in the server.
func (w *world) routedServer(cfg netstack.Config) *embedded {
	w.t.Helper()
	to := netip.MustParsePrefix("2001:db8:8::/64")
	w.must(w.Firewall.AddRoute(kernel.Route{To: to, Via: kernel.ServerAddr6, Dev: "lan0"}))
	w.must(w.Internet.AddRoute(kernel.Route{To: to, Via: netip.MustParseAddr("2001:db8:f::2"), Dev: "fw0"}))
	w.must(w.Firewall.Firewall(kernel.FirewallConfig{Inside: []string{"lan0", "wan0"}}))
	return w.embedRouted(w.Server, to, cfg)
}

// routedHost is the same in the third host, which has no firewall.
func (w *world) routedHost(cfg netstack.Config) *embedded {
	w.t.Helper()
	to := netip.MustParsePrefix("2001:db8:9::/64")
	w.must(w.Internet.AddRoute(kernel.Route{To: to, Via: kernel.HostAddr6, Dev: "host0"}))
	return w.embedRouted(w.Host, to, cfg)
}

// embedRouted puts a stack into a namespace that forwards for it, with the second
// address of an IPv6 prefix.
func (w *world) embedRouted(ns *kernel.Namespace, to netip.Prefix, cfg netstack.Config) *embedded {
	w.t.Helper()
	w.must(ns.Forward())
	host := to.Addr().Next()
	return w.embed(ns, embedConfig{
		Host:      []netip.Prefix{embedHost[0], netip.PrefixFrom(host, to.Bits())},
		Addresses: []netip.Prefix{embedStack[0], netip.PrefixFrom(host.Next(), to.Bits())},
		Routed:    true,
		Stack:     cfg,
	})
}

// addr6 is the first IPv6 address of the stack.
func (e *embedded) addr6() netip.Addr { return e.NIC.Addresses()[1].Addr() }
