// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"
	"sync"
)

// TopologyConfig configures the standard network. The zero value has ideal uplinks, and
// a firewall that lets nothing in.
type TopologyConfig struct {
	// Uplinks are the wires between the client and its NATs. Everything else is at
	// the speed of the kernel, so they make the round-trip time.
	Uplinks [2]WireConfig
	// ServerPorts are the TCP ports that the firewall opens to the server.
	ServerPorts []uint16
	// Reject makes firewall and NATs answer packets that they don't admit.
	Reject bool
	// CloseNATInput keeps the NATs from answering stray segments with a RST, which
	// Linux routers do unless told otherwise.
	CloseNATInput bool
}

// Topology is the standard network:
//
//	        wifi0 ── NATs[0] ──┐
//	Client                     Internet ── Firewall ── Server
//	        lte0 ─── NATs[1] ──┘     └──── Host
//
// All are kernels with IPv4 and IPv6. The NATs translate IPv4 and are firewalls for
// both: connections are opened from inside only, and invalid segments are dropped.
// Client, server and host have default routes, and the client sends from each of its
// addresses over the uplink that has it. Without an address it takes wifi0, until
// [Topology.Prefer].
type Topology struct {
	Client, Internet, Firewall, Server, Host *Namespace

	NATs    [2]*Namespace
	Uplinks [2]*Uplink

	mu sync.Mutex // one Prefer at a time
}

// The networks of the standard topology: RFC 5737, RFC 3849 and, behind the NATs,
// RFC 1918.
var (
	wifiLAN, wifiWAN = newSubnet("192.168.1.0/24", "2001:db8:1::/64"), newSubnet("203.0.113.0/24", "2001:db8:a::/64")
	lteLAN, lteWAN   = newSubnet("192.168.2.0/24", "2001:db8:2::/64"), newSubnet("198.51.100.0/24", "2001:db8:b::/64")
	serverLAN        = newSubnet("192.0.2.128/26", "2001:db8:5::/64")
	serverWAN        = newSubnet("192.0.2.0/26", "2001:db8:f::/64")
	hostLAN          = newSubnet("192.0.2.192/26", "2001:db8:6::/64")
)

// subnet is an IPv4 and an IPv6 prefix of a link. The router towards the Internet
// has the first address of each, the other end the second.
type subnet [2]netip.Prefix

func newSubnet(v4, v6 string) subnet {
	return subnet{netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)}
}

func (s subnet) router() subnet { return s.nth(1) }
func (s subnet) host() subnet   { return s.nth(2) }

// nth are the addresses of number n, with the lengths of the prefixes.
func (s subnet) nth(n int) subnet {
	for i, p := range s {
		a := p.Addr()
		for range n {
			a = a.Next()
		}
		s[i] = netip.PrefixFrom(a, p.Bits())
	}
	return s
}

// Addresses of the standard topology. Each has one for the IPv4 network and one for the
// IPv6 network.
var (
	ServerAddr4, ServerAddr6 = serverLAN.host()[0].Addr(), serverLAN.host()[1].Addr()
	HostAddr4, HostAddr6     = hostLAN.host()[0].Addr(), hostLAN.host()[1].Addr()
)

// Topology builds the standard network.
func (n *Network) Topology(cfg TopologyConfig) (*Topology, error) {
	t := &Topology{}
	b := builder{network: n}
	for _, n := range []struct {
		ns   **Namespace
		name string
	}{
		{&t.Client, "client"}, {&t.NATs[0], "natA"}, {&t.NATs[1], "natB"}, {&t.Internet, "internet"},
		{&t.Firewall, "firewall"}, {&t.Server, "server"}, {&t.Host, "host"},
	} {
		*n.ns = b.namespace(n.name)
	}
	b.run(t.Internet.Forward)

	b.uplink(t, 0, "wifi0", wifiLAN, wifiWAN, cfg)
	b.uplink(t, 1, "lte0", lteLAN, lteWAN, cfg)

	b.veth(t.Firewall, "wan0", t.Internet, "fw0", serverWAN)
	b.veth(t.Server, "eth0", t.Firewall, "lan0", serverLAN)
	b.veth(t.Host, "eth0", t.Internet, "host0", hostLAN)
	b.defaultRoutes(t.Firewall, "wan0", serverWAN)
	b.defaultRoutes(t.Server, "eth0", serverLAN)
	b.defaultRoutes(t.Host, "eth0", hostLAN)
	b.routes(t.Internet, "fw0", serverLAN, serverWAN.host())
	b.run(func() error {
		return t.Firewall.Firewall(FirewallConfig{Inside: []string{"lan0"}, Ports: cfg.ServerPorts, Reject: cfg.Reject})
	})
	if b.err != nil {
		return nil, fmt.Errorf("kernel: topology: %w", b.err)
	}
	return t, nil
}

// builder does one step after the other until one fails.
type builder struct {
	network *Network
	err     error
}

func (b *builder) run(step func() error) {
	if b.err == nil {
		b.err = step()
	}
}

func (b *builder) namespace(name string) (ns *Namespace) {
	b.run(func() (err error) { ns, err = b.network.Namespace(name); return err })
	return ns
}

// veth joins a host to a router, and gives both their addresses.
func (b *builder) veth(host *Namespace, hostDev string, router *Namespace, routerDev string, s subnet) {
	b.run(func() error { return b.network.Veth(host, hostDev, router, routerDev, VethConfig{}) })
	b.addresses(host, hostDev, s.host())
	b.addresses(router, routerDev, s.router())
}

func (b *builder) addresses(ns *Namespace, dev string, addrs subnet) {
	for _, a := range addrs {
		b.run(func() error { return ns.AddAddress(dev, a) })
	}
}

func (b *builder) defaultRoutes(ns *Namespace, dev string, s subnet) {
	b.routes(ns, dev, subnet{Default4, Default6}, s.router())
}

func (b *builder) routes(ns *Namespace, dev string, to, via subnet) {
	for i := range to {
		b.run(func() error { return ns.AddRoute(Route{To: to[i], Via: via[i].Addr(), Dev: dev}) })
	}
}

// uplink builds the network between the client and the Internet.
func (b *builder) uplink(t *Topology, i int, dev string, lan, wan subnet, cfg TopologyConfig) {
	nat := t.NATs[i]
	u := &Uplink{ns: t.Client, dev: dev, lan: lan, wan: wan, table: uplinkTable + i, metric: otherMetric + i}
	if i == 0 {
		u.metric = preferredMetric
	}
	t.Uplinks[i] = u
	b.run(func() (err error) {
		u.wire, err = b.network.Wire(t.Client, dev, nat, "lan0", cfg.Uplinks[i])
		return err
	})
	b.addresses(nat, "lan0", lan.router())
	for _, a := range lan.host() {
		b.run(func() error { return t.Client.AddRule(netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), u.table) })
	}
	b.run(u.configure)

	b.veth(nat, "wan0", t.Internet, "to-"+dev, wan)
	b.defaultRoutes(nat, "wan0", wan)
	b.run(func() error { // IPv6 is not translated: it has to find its way back
		return t.Internet.AddRoute(Route{To: lan[1], Via: wan.host()[1].Addr(), Dev: "to-" + dev})
	})
	b.run(func() error { return nat.Masquerade("wan0", NATConfig{}) })
	b.run(func() error {
		return nat.Firewall(FirewallConfig{Inside: []string{"lan0"}, Reject: cfg.Reject, CloseInput: cfg.CloseNATInput})
	})
}
