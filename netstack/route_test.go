// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"
)

func TestSourceSelection(t *testing.T) {
	type step struct {
		do   func() error
		want map[string]string // destination to source address
	}
	s := newStack(t, Config{})
	link, _ := Pipe(PipeConfig{})
	n := attach(t, s, link)
	add := func(p string) func() error { return func() error { return n.AddAddress(netip.MustParsePrefix(p)) } }
	remove := func(a string) func() error { return func() error { return n.RemoveAddress(netip.MustParseAddr(a)) } }
	for i, st := range []step{
		{func() error { return nil }, map[string]string{"192.0.2.1": "", "2001:db8::1": ""}},
		{add("10.1.0.1/16"), map[string]string{"192.0.2.1": "10.1.0.1", "10.1.2.3": "10.1.0.1", "2001:db8::1": ""}},
		// A second address does not change the default route, but has its subnet.
		{add("192.168.7.1/24"), map[string]string{"192.0.2.1": "10.1.0.1", "192.168.7.9": "192.168.7.1"}},
		// The older goes: the other takes over.
		{remove("10.1.0.1"), map[string]string{"192.0.2.1": "192.168.7.1", "10.1.2.3": "192.168.7.1"}},
		// It comes back, and is the younger now. 192.0.2.1 shares more bits with
		// 192.168.7.1, which must not matter; 10.9.9.9 more with 10.1.0.1.
		{add("10.1.0.1/16"), map[string]string{"10.9.9.9": "192.168.7.1", "192.0.2.1": "192.168.7.1"}},
		// A gateway on the younger's subnet decides for it.
		{func() error {
			return n.AddRoute(Route{Destination: netip.MustParsePrefix("10.9.0.0/16"), Gateway: netip.MustParseAddr("10.1.0.254")})
		}, map[string]string{"10.9.9.9": "10.1.0.1", "10.8.8.8": "192.168.7.1"}},
		// IPv6: the longest match, else the oldest.
		{add("fd00:1::1/64"), map[string]string{"2001:db8::1": "fd00:1::1"}},
		{add("fd00:2::1/64"), map[string]string{"2001:db8::1": "fd00:1::1", "fd00:2::9": "fd00:2::1"}},
		{remove("fd00:1::1"), map[string]string{"2001:db8::1": "fd00:2::1"}},
		{n.SetDown, map[string]string{"192.0.2.1": "", "10.1.2.3": "", "2001:db8::1": ""}},
		{n.SetUp, map[string]string{"192.0.2.1": "192.168.7.1", "2001:db8::1": "fd00:2::1"}},
		{n.Detach, map[string]string{"192.0.2.1": "", "2001:db8::1": ""}},
	} {
		if err := st.do(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		for dst, want := range st.want {
			if got, _ := source(t, s, dst); got != want {
				t.Errorf("step %d: source for %s is %q, want %q", i, dst, got, want)
			}
		}
	}
}

func TestRouteOrder(t *testing.T) {
	s := newStack(t, Config{})
	attachTo := func(name, addr string, routes ...Route) *NIC {
		link, _ := Pipe(PipeConfig{})
		n, err := s.Attach(link, AttachOptions{
			Name: name, Addresses: []netip.Prefix{netip.MustParsePrefix(addr)}, Routes: routes,
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	route := func(dst string, metric int) Route {
		return Route{Destination: netip.MustParsePrefix(dst), Metric: metric}
	}
	wifi := attachTo("wifi", "10.0.0.1/24", route("0.0.0.0/0", 10))
	cell := attachTo("cell", "10.0.1.1/24", route("0.0.0.0/0", 20))
	lan := attachTo("lan", "10.0.2.1/24", route("0.0.0.0/0", 10), route("192.0.2.0/24", 99))
	check := func(when string, want map[string]string) {
		t.Helper()
		for dst, nic := range want {
			// Again and again: the choice must not depend on the order of a map.
			for range 20 {
				if _, got := source(t, s, dst); got != nic {
					t.Fatalf("%s: %s goes over %q, want %q", when, dst, got, nic)
				}
			}
		}
	}
	check("at first", map[string]string{
		"203.0.113.1": "wifi", // the lowest metric, the oldest of two
		"192.0.2.1":   "lan",  // the longest prefix, with any metric
		"10.0.1.7":    "cell", // connected
	})
	if err := wifi.SetDown(); err != nil {
		t.Fatal(err)
	}
	check("wifi down", map[string]string{"203.0.113.1": "lan"})
	if err := lan.RemoveRoute(route("0.0.0.0/0", 0)); err != nil {
		t.Fatal(err)
	}
	check("lan without default route", map[string]string{"203.0.113.1": "cell", "192.0.2.1": "lan"})
	if err := cell.RemoveAddress(netip.MustParseAddr("10.0.1.1")); err != nil {
		t.Fatal(err)
	}
	check("cell without address", map[string]string{"203.0.113.1": "", "10.0.1.7": ""})
	if err := wifi.SetUp(); err != nil {
		t.Fatal(err)
	}
	check("wifi up", map[string]string{"203.0.113.1": "wifi"})
}

func TestRoutes(t *testing.T) {
	s := newStack(t, Config{})
	link, _ := Pipe(PipeConfig{})
	n := attach(t, s, link, "10.0.0.1/24", "10.0.0.9/24", "10.0.5.5/32", "fd00::1/64")
	got := func() (dsts []string) {
		for _, r := range s.Routes() {
			name := r.Destination.String()
			if r.Connected {
				name += " connected"
			}
			dsts = append(dsts, name)
		}
		return dsts
	}
	want := []string{"fd00::/64 connected", "10.0.0.0/24 connected", "127.0.0.0/8 connected", "0.0.0.0/0", "::/0"}
	if !slices.Equal(got(), want) {
		t.Errorf("routes are %v, want %v", got(), want)
	}
	// The connected route stays as long as an address needs it.
	for i, a := range []string{"10.0.0.1", "10.0.0.9"} {
		if err := n.RemoveAddress(netip.MustParseAddr(a)); err != nil {
			t.Fatal(err)
		}
		if has := slices.Contains(got(), "10.0.0.0/24 connected"); has != (i == 0) {
			t.Errorf("after the removal of %s, the routes are %v", a, got())
		}
	}
}

func TestNICErrors(t *testing.T) {
	s := newStack(t, Config{})
	link, _ := Pipe(PipeConfig{})
	n := attach(t, s, link, "10.0.0.1/24")
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"address twice":        {n.AddAddress(netip.MustParsePrefix("10.0.0.1/16")), syscall.EEXIST},
		"mapped address twice": {n.AddAddress(netip.MustParsePrefix("::ffff:10.0.0.1/120")), syscall.EEXIST},
		"no address":           {n.AddAddress(netip.Prefix{}), syscall.EINVAL},
		"wildcard address":     {n.AddAddress(netip.MustParsePrefix("0.0.0.0/8")), syscall.EINVAL},
		"multicast address":    {n.AddAddress(netip.MustParsePrefix("ff02::1/128")), syscall.EINVAL},
		"unknown address":      {n.RemoveAddress(netip.MustParseAddr("10.0.0.2")), syscall.EADDRNOTAVAIL},
		"invalid address":      {n.RemoveAddress(netip.Addr{}), syscall.EADDRNOTAVAIL},
		"route twice":          {n.AddRoute(Route{Destination: Default4, Metric: 5}), syscall.EEXIST},
		"no destination":       {n.AddRoute(Route{}), syscall.EINVAL},
		"mixed families":       {n.AddRoute(Route{Destination: Default4, Gateway: netip.IPv6Loopback()}), syscall.EINVAL},
		"unknown route":        {n.RemoveRoute(Route{Destination: netip.MustParsePrefix("10.7.0.0/16")}), syscall.ESRCH},
		"connected route":      {n.RemoveRoute(Route{Destination: netip.MustParsePrefix("10.0.0.0/24")}), syscall.ESRCH},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	if err := n.Detach(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"detach": n.Detach(), "up": n.SetUp(), "down": n.SetDown(),
		"address": n.AddAddress(netip.MustParsePrefix("10.0.0.2/24")), "route": n.AddRoute(Route{Destination: Default4}),
	} {
		if !errors.Is(err, ErrDetached) {
			t.Errorf("%s after detach: %v", name, err)
		}
	}
	if got := n.Addresses(); len(got) != 0 {
		t.Errorf("addresses after detach: %v", got)
	}
	// The link is free for another stack.
	attach(t, newStack(t, Config{}), link)
}

func TestAttachErrors(t *testing.T) {
	s := newStack(t, Config{})
	first, second := Pipe(PipeConfig{})
	if _, err := s.Attach(first, AttachOptions{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attach(second, AttachOptions{Name: "a"}); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("same name: %v", err)
	}
	// An attach that fails half way leaves nothing behind.
	before := len(s.Routes())
	bad := netip.MustParsePrefix("0.0.0.0/0")
	if _, err := s.Attach(second, AttachOptions{Addresses: []netip.Prefix{client, bad}}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("bad address: %v", err)
	}
	if second.IsAttached() || len(s.Routes()) != before {
		t.Errorf("attached %v, routes %v", second.IsAttached(), s.Routes())
	}
	for _, mtu := range []uint32{MinMTU - 1, MaxMTU + 1} {
		link, _ := Pipe(PipeConfig{MTU: mtu})
		if _, err := s.Attach(link, AttachOptions{}); err == nil {
			t.Errorf("MTU %d accepted", mtu)
		}
	}
}

var client = netip.MustParsePrefix("10.0.0.1/24")
