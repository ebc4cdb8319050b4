// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"net/netip"
	"testing"
)

func TestSamePaths(t *testing.T) {
	a := Uplink{Interface: "eth0", Index: 2, Gateway: netip.MustParseAddr("192.0.2.1"), Source: netip.MustParseAddr("192.0.2.7"), Metric: 100}
	dearer, renumbered, replugged := a, a, a
	dearer.Metric = 700
	renumbered.Source = netip.MustParseAddr("192.0.2.8")
	replugged.Index = 9
	b := Uplink{Interface: "wlan0", Index: 3, Source: netip.MustParseAddr("198.51.100.7"), Metric: 600}
	for _, c := range []struct {
		x, y []Uplink
		want bool
	}{
		{nil, nil, true},
		{nil, []Uplink{a}, false},
		{[]Uplink{a, b}, []Uplink{a, b}, true},
		{[]Uplink{a, b}, []Uplink{b, a}, false},
		{[]Uplink{a}, []Uplink{dearer}, true},
		{[]Uplink{a}, []Uplink{renumbered}, false},
		{[]Uplink{a}, []Uplink{replugged}, false},
	} {
		if got := samePaths(c.x, c.y); got != c.want {
			t.Errorf("%v and %v: %v", c.x, c.y, got)
		}
	}
}

func TestShareConfig(t *testing.T) {
	stack := netip.MustParseAddrPort("10.77.0.2:443")
	many := make([]Redirect, MaxRedirects+1)
	for i := range many {
		many[i] = Redirect{uint16(i + 1), stack}
	}
	redirect := func(rs ...Redirect) ShareConfig { return ShareConfig{Device: "mnet0", Redirects: rs} }
	masquerade := func(p netip.Prefix) ShareConfig {
		return ShareConfig{Device: "mnet0", Masquerade: []netip.Prefix{p}}
	}
	for _, c := range []struct {
		what string
		cfg  ShareConfig
		want error
	}{
		{"least", ShareConfig{Device: "mnet0"}, nil},
		{"both families of a port", redirect(Redirect{443, stack}, Redirect{443, netip.MustParseAddrPort("[fd77::2]:443")}), nil},
		{"as many ports as may be", redirect(many[:MaxRedirects]...), nil},
		{"no device", ShareConfig{}, ErrConfig},
		{"a long name", ShareConfig{Device: "mnet567890123456"}, ErrConfig},
		{"a path", ShareConfig{Device: "a/../../b"}, ErrConfig},
		{"the parent directory", ShareConfig{Device: ".."}, ErrConfig},
		{"all interfaces", ShareConfig{Device: "all"}, ErrConfig},
		{"no prefix", masquerade(netip.Prefix{}), ErrConfig},
		{"all addresses", masquerade(netip.MustParsePrefix("0.0.0.0/0")), ErrConfig},
		{"an IPv4 address in an IPv6 one", masquerade(netip.MustParsePrefix("::ffff:10.77.0.2/128")), ErrConfig},
		{"no port", redirect(Redirect{0, stack}), ErrConfig},
		{"no port of the stack", redirect(Redirect{443, netip.AddrPortFrom(stack.Addr(), 0)}), ErrConfig},
		{"no address", redirect(Redirect{443, netip.AddrPort{}}), ErrConfig},
		{"any address", redirect(Redirect{443, netip.MustParseAddrPort("[::]:443")}), ErrConfig},
		{"a zone", redirect(Redirect{443, netip.MustParseAddrPort("[fe80::1%mnet0]:443")}), ErrConfig},
		{"a port twice", redirect(Redirect{443, stack}, Redirect{443, netip.MustParseAddrPort("10.77.0.3:443")}), ErrInUse},
		{"too many prefixes", ShareConfig{Device: "mnet0", Masquerade: make([]netip.Prefix, MaxMasquerade+1)}, ErrConfig},
		{"too many ports", redirect(many...), ErrConfig},
	} {
		if err := c.cfg.Check(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
}
