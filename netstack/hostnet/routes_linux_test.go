// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestWatchRoutes is about default routes that are not the plain ones.
func TestWatchRoutes(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.Addr("eth0", "192.0.2.7/24")
		w.Addr("wlan0", "198.51.100.7/24")
	})
	w.await()

	onLink := w.DefaultRoute("wlan0", "", 5)
	w.AddRoute(onLink)
	w.await("wlan0 from 198.51.100.7")
	w.DelRoute(onLink)
	w.await()

	w.Addr("eth0", "192.0.2.8/24") // a secondary address, but preferred by the route
	preferred := w.DefaultRoute("eth0", "192.0.2.1", 5)
	preferred.Src = ipNet("192.0.2.8/32").IP
	w.AddRoute(preferred)
	w.await("eth0 via 192.0.2.1 from 192.0.2.8")
	w.DelRoute(preferred)
	w.await()

	multipath := &netlink.Route{Dst: ipNet("0.0.0.0/0"), MultiPath: []*netlink.NexthopInfo{
		{LinkIndex: w.Link("eth0").Attrs().Index, Gw: ipNet("192.0.2.1/32").IP},
		{LinkIndex: w.Link("wlan0").Attrs().Index, Gw: ipNet("198.51.100.1/32").IP},
	}}
	w.AddRoute(multipath)
	w.await(ethernet, wifi)
	w.DelRoute(multipath)
	w.await()

	via := w.DefaultRoute("eth0", "", 5)
	via.Scope, via.Via = netlink.SCOPE_UNIVERSE, &netlink.Via{AddrFamily: netlink.FAMILY_V6, Addr: ipNet("fe80::1/128").IP}
	w.AddRoute(via)
	w.await("eth0 via fe80::1 from 192.0.2.7")
}

func TestWatchIPv6(t *testing.T) {
	w := watchHost(t, nil)
	w.await()
	w.Addr("eth0", "fd00::7/64")
	w.AddRoute(w.DefaultRoute("eth0", "fd00::1", 100))
	w.await("eth0 via fd00::1 from fd00::7")

	w.Addr("eth0", "2001:db8::7/64")
	w.await("eth0 via fd00::1 from 2001:db8::7")

	// An address that is no longer preferred (RFC 4862, 5.5.4).
	w.Must(w.h.AddrReplace(w.Link("eth0"), &netlink.Addr{IPNet: ipNet("2001:db8::7/64"), ValidLft: 1000, PreferedLft: 0}))
	w.await("eth0 via fd00::1 from fd00::7")

	// IPv4 besides it, with the lower metric.
	w.Addr("eth0", "192.0.2.7/24")
	w.AddRoute(w.DefaultRoute("eth0", "192.0.2.1", 50))
	w.await(ethernet, "eth0 via fd00::1 from fd00::7")
}

// TestWatchNoNews makes changes that are none, and then one that is.
func TestWatchNoNews(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.Connect("mnet0", w.world, "wmnet0")
		w.Addr("mnet0", "10.77.0.1/24")
		w.Addr("eth0", "192.0.2.7/24")
		w.AddRoute(w.DefaultRoute("eth0", "192.0.2.1", 100))
	})
	w.await(ethernet)
	blackhole := &netlink.Route{Dst: ipNet("0.0.0.0/0"), Priority: 2, Type: unix.RTN_UNREACHABLE}
	otherTable := w.DefaultRoute("wlan0", "", 0)
	otherTable.Table = 7
	w.Addr("wlan0", "198.51.100.7/24")
	for _, change := range []func(){
		func() { w.Must(w.h.LinkSetMTU(w.Link("eth0"), 1400)) },
		func() {
			w.Must(w.h.AddrReplace(w.Link("eth0"), &netlink.Addr{IPNet: ipNet("192.0.2.7/24"), ValidLft: 1000, PreferedLft: 900}))
		},
		func() { w.Addr("eth0", "192.0.2.200/24") }, // a secondary one
		func() { w.AddRoute(w.DefaultRoute("mnet0", "10.77.0.2", 1)) },
		func() { w.AddRoute(blackhole) },
		func() { w.AddRoute(otherTable) },
	} {
		change()
	}
	w.AddRoute(w.DefaultRoute("wlan0", "198.51.100.1", 600))
	if s := describe(w.next().Uplinks); !slices.Equal(s, []string{ethernet, wifi}) {
		t.Errorf("told %q", s)
	}
}

// TestWatchTentative has an address under duplicate address detection, which is no
// source before that has ended (RFC 4862, section 5.4).
func TestWatchTentative(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.Set("ipv6/conf/eth0/accept_dad", "1")
		w.Set("ipv6/conf/eth0/router_solicitation_delay", "0")
		w.AddRoute(w.DefaultRoute("eth0", "fe80::1", 100))
		w.Must(w.h.AddrAdd(w.Link("eth0"), &netlink.Addr{IPNet: ipNet("2001:db8::7/64")}))
	})
	w.await()
	w.await("eth0 via fe80::1 from 2001:db8::7")
}
