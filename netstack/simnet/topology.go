// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"fmt"
	"net/netip"
)

// Pair is two hosts joined by one link; A is the inner end.
type Pair struct {
	*Network
	A, B *Host
	Link *Link
}

// Addresses of a [Pair].
var (
	PairA4 = netip.MustParsePrefix("10.0.0.1/24")
	PairB4 = netip.MustParsePrefix("10.0.0.2/24")
	PairA6 = netip.MustParsePrefix("fd00::1/64")
	PairB6 = netip.MustParsePrefix("fd00::2/64")
)

// NewPair builds two hosts, "a" and "b", with one interface each.
func NewPair(seed uint64, cfg LinkConfig) *Pair {
	n := New(seed)
	p := &Pair{Network: n, A: n.NewHost("a"), B: n.NewHost("b")}
	p.Link = n.Connect(p.A.NewInterface("eth0", PairA4, PairA6), p.B.NewInterface("eth0", PairB4, PairB6), cfg)
	return p
}

// Uplink is one of the ways in which a [Multihomed] client is attached.
type Uplink struct {
	// Name is the name of the client's interface. Empty means "up0", "up1", ...
	Name string
	// Prefixes are the client's addresses on it. The zero value means
	// 10.1.0.2/24 and fd00:1::2/64 on the first uplink, 10.2.0.2/24 and
	// fd00:2::2/64 on the second, and so on.
	Prefixes []netip.Prefix
	// Link leads from the client (A) to the core router (B).
	Link LinkConfig
	// Boxes are middleboxes between the client and the NAT, in this order.
	Boxes []Box
	// NAT, if not nil, is at the core's end of the link. The core routes its
	// addresses, and not the client's, to this uplink. Addresses that are not
	// set are 192.0.2.1 and 2001:db8:1::1 on the first uplink, 192.0.2.2 and
	// 2001:db8:2::1 on the second, and so on.
	NAT *NATConfig
}

// MultihomedConfig describes a [Multihomed] network.
type MultihomedConfig struct {
	Seed    uint64
	Uplinks []Uplink
	// Bottleneck leads from the core router (A) to the server (B).
	Bottleneck LinkConfig
	// Server holds the server's addresses, all on one interface. The zero value
	// means 10.9.0.1/24 and fd00:9::1/64.
	Server []netip.Prefix
}

// Multihomed is a client with several uplinks to a core router, and a server
// behind a shared bottleneck:
//
//	client --uplink 0--[NAT]-- core --bottleneck-- server
//	       --uplink 1--[NAT]--
type Multihomed struct {
	*Network
	Client, Server *Host
	Core           *Router
	Uplinks        []*Link
	NATs           []*NAT // by uplink; nil where there is none
	Bottleneck     *Link
}

// NewMultihomed builds the network.
func NewMultihomed(cfg MultihomedConfig) *Multihomed {
	n := New(cfg.Seed)
	m := &Multihomed{Network: n, Client: n.NewHost("client"), Server: n.NewHost("server")}
	m.Core = n.NewRouter("core", RouterConfig{
		Addr4: netip.MustParseAddr("192.0.0.8"), // RFC 7600, 4.8
		Addr6: netip.MustParseAddr("2001:db8::1"),
	})
	for i, up := range cfg.Uplinks {
		m.addUplink(i, up)
	}
	if cfg.Server == nil {
		cfg.Server = defaultPrefixes(9, 1)
	}
	m.Bottleneck = n.Connect(m.Core, m.Server.NewInterface("eth0", cfg.Server...), cfg.Bottleneck)
	m.routeAll(cfg.Server, m.Bottleneck)
	return m
}

func (m *Multihomed) addUplink(i int, up Uplink) {
	if up.Name == "" {
		up.Name = fmt.Sprintf("up%d", i)
	}
	if up.Prefixes == nil {
		up.Prefixes = defaultPrefixes(i+1, 2)
	}
	l := m.Connect(m.Client.NewInterface(up.Name, up.Prefixes...), m.Core, up.Link)
	m.Uplinks = append(m.Uplinks, l)
	l.Use(up.Boxes...)
	if up.NAT == nil {
		m.NATs = append(m.NATs, nil)
		m.routeAll(up.Prefixes, l)
		return
	}
	nc := *up.NAT
	if !nc.Addr4.IsValid() {
		nc.Addr4 = netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
	}
	if !nc.Addr6.IsValid() {
		nc.Addr6 = netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i+1))
	}
	nat := NewNAT(nc)
	m.NATs = append(m.NATs, nat)
	l.Use(nat)
	m.Core.Route(hostPrefix(nc.Addr4), l)
	m.Core.Route(hostPrefix(nc.Addr6), l)
}

// routeAll routes the addresses themselves, not the prefixes they are in, so
// that one of them can move elsewhere.
func (m *Multihomed) routeAll(prefixes []netip.Prefix, l *Link) {
	for _, p := range prefixes {
		m.Core.Route(hostPrefix(p.Addr()), l)
	}
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// defaultPrefixes returns 10.<site>.0.<host>/24 and fd00:<site>::<host>/64.
func defaultPrefixes(site, host int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.%d.0.%d/24", site, host)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:%x::%x/64", site, host)),
	}
}
