// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	ethernet6 = "eth0 via 2001:db8::1 from 2001:db8::7"
	vpn4      = "wg0 from 10.64.0.2"
	vpn6      = "wg0 from fd64::2"

	vpnTable = 51820 // and the mark of the packets that the VPN itself sends
)

// Rule returns a rule that sends all packets of a family to a table.
func Rule(family, priority, table int) *netlink.Rule {
	r := netlink.NewRule()
	r.Family, r.Priority, r.Table = family, priority, table
	return r
}

func (n *Namespace) AddRule(r *netlink.Rule) { n.t.Helper(); n.Must(n.h.RuleAdd(r)) }
func (n *Namespace) DelRule(r *netlink.Rule) { n.t.Helper(); n.Must(n.h.RuleDel(r)) }

// vpnRules returns the rules of wg-quick. Packets that the VPN does not send itself go
// to its own table. Destinations for which the main table has more than a default route
// are excepted.
func vpnRules(family int) []*netlink.Rule {
	inner, main := Rule(family, 32765, vpnTable), Rule(family, 32764, unix.RT_TABLE_MAIN)
	inner.Invert, inner.Mark = true, vpnTable
	main.SuppressPrefixlen = 0
	return []*netlink.Rule{inner, main}
}

// vpnUp makes a substitute for the device of the VPN, with a default route in its own
// table.
func (w *watched) vpnUp() {
	w.t.Helper()
	w.Connect("wg0", w.world, "wwg0")
	w.Addr("wg0", "10.64.0.2/32")
	w.Addr("wg0", "fd64::2/128")
	for _, dst := range []string{"0.0.0.0/0", "::/0"} {
		w.AddRoute(&netlink.Route{
			LinkIndex: w.Link("wg0").Attrs().Index, Dst: ipNet(dst), Scope: netlink.SCOPE_LINK, Table: vpnTable,
		})
	}
}

// ethernetUp gives eth0 addresses and default routes.
func (w *watched) ethernetUp() {
	w.t.Helper()
	w.Addr("eth0", "192.0.2.7/24")
	w.Addr("eth0", "2001:db8::7/64")
	w.AddRoute(w.DefaultRoute("eth0", "192.0.2.1", 100))
	w.AddRoute(w.DefaultRoute("eth0", "2001:db8::1", 100))
}

// TestWatchVPN has a VPN come and go that leaves the main table as it is.
func TestWatchVPN(t *testing.T) {
	w := watchHost(t, (*watched).ethernetUp)
	w.await(ethernet, ethernet6)
	for range 2 {
		w.vpnUp()
		for _, r := range vpnRules(netlink.FAMILY_V4) {
			w.AddRule(r)
		}
		w.await(vpn4, ethernet, ethernet6)
		for _, r := range vpnRules(netlink.FAMILY_V6) {
			w.AddRule(r)
		}
		w.await(vpn4, ethernet, vpn6, ethernet6)

		// Without the rule nothing leads to its table.
		inner := vpnRules(netlink.FAMILY_V4)[0]
		w.DelRule(inner)
		w.await(ethernet, vpn6, ethernet6)
		w.AddRule(inner)
		w.await(vpn4, ethernet, vpn6, ethernet6)

		w.Must(w.h.LinkDel(w.Link("wg0")))
		w.await(ethernet, ethernet6)
		for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			for _, r := range vpnRules(family) {
				w.DelRule(r)
			}
		}
	}
}

// TestWatchHalves has a VPN that covers the default route by two halves of it.
func TestWatchHalves(t *testing.T) {
	w := watchHost(t, (*watched).ethernetUp)
	w.await(ethernet, ethernet6)
	w.Connect("tun0", w.world, "wtun0")
	w.Addr("tun0", "10.8.0.2/24")
	w.Addr("tun0", "fd08::2/64")
	var halves []*netlink.Route
	for _, h := range []struct{ dst, gateway string }{
		{"0.0.0.0/1", "10.8.0.1"}, {"128.0.0.0/1", "10.8.0.1"}, {"::/1", "fd08::1"}, {"8000::/1", "fd08::1"},
	} {
		r := w.DefaultRoute("tun0", h.gateway, 50)
		r.Dst = ipNet(h.dst)
		halves = append(halves, r)
		w.AddRoute(r)
	}
	w.await("tun0 via 10.8.0.1 from 10.8.0.2", ethernet, "tun0 via fd08::1 from fd08::2", ethernet6)
	for _, r := range halves {
		w.DelRoute(r)
	}
	w.await(ethernet, ethernet6)
}

// TestWatchTables has an uplink for each of two tables, whose metrics cannot be
// compared.
func TestWatchTables(t *testing.T) {
	w := watchHost(t, func(w *watched) {
		w.Addr("eth0", "192.0.2.7/24")
		w.Addr("wlan0", "198.51.100.7/24")
		for i, r := range []*netlink.Route{w.DefaultRoute("eth0", "192.0.2.1", 600), w.DefaultRoute("wlan0", "198.51.100.1", 100)} {
			r.Table = 1000 + i
			w.AddRoute(r)
		}
	})
	w.await() // no rule names them
	first, second := Rule(netlink.FAMILY_V4, 10, 1000), Rule(netlink.FAMILY_V4, 20, 1001)
	w.AddRule(second)
	w.await(wifi)
	w.AddRule(first)
	w.await(ethernet, wifi)
	w.world.Down("weth0") // the carrier
	w.await(wifi)
	w.world.Up("weth0")
	w.await(ethernet, wifi)
	w.DelRule(first)
	w.await(wifi)
}

// TestWatchNoWay has the kernel refuse packets for which it has a default route.
func TestWatchNoWay(t *testing.T) {
	w := watchHost(t, (*watched).ethernetUp)
	w.await(ethernet, ethernet6)
	for _, kind := range []int{unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_BLACKHOLE} {
		for _, c := range []struct {
			dst  string
			left []string
		}{{"0.0.0.0/0", []string{ethernet6}}, {"::/0", []string{ethernet}}} {
			r := &netlink.Route{Dst: ipNet(c.dst), Priority: 1, Type: kind}
			w.AddRoute(r)
			w.await(c.left...)
			w.DelRoute(r)
			w.await(ethernet, ethernet6)
		}
	}
	refuse := Rule(netlink.FAMILY_V4, 10, 0)
	refuse.Type = unix.RTN_PROHIBIT
	w.AddRule(refuse)
	w.await(ethernet6)
}

// TestShareWatchRules has rules for packets from the stack only.
func TestShareWatchRules(t *testing.T) {
	s := newSite(t)
	s.host.Connect("up1", s.world, "eth1")
	s.host.Addr("up1", "198.51.100.7/24")
	s.host.Addr("up1", "2001:db8:1::7/64")
	for _, gateway := range []string{"198.51.100.1", "2001:db8:1::1"} {
		r := s.host.DefaultRoute("up1", gateway, 0)
		r.Table = 7
		s.host.AddRoute(r)
	}
	const (
		up0, up06 = "up0 via 192.0.2.1 from 192.0.2.7", "up0 via 2001:db8::1 from 2001:db8::7"
		up1, up16 = "up1 via 198.51.100.1 from 198.51.100.7", "up1 via 2001:db8:1::1 from 2001:db8:1::7"
	)
	// The host's own address is in the first of them, and no packet of the stack's.
	sh := s.share(ShareConfig{Masquerade: []netip.Prefix{
		netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("fd77::2/128"),
	}})
	stack := &watched{Namespace: s.host, states: make(chan State, 1000)}
	host := &watched{Namespace: s.host, states: make(chan State, 1000)}
	s.host.Must(s.host.Do(func() (err error) {
		if stack.stop, err = sh.Watch(func(st State) { stack.states <- st }); err != nil {
			return err
		}
		t.Cleanup(stack.stop)
		if host.stop, err = (Watcher{Exclude: []string{device}}).Watch(func(st State) { host.states <- st }); err != nil {
			return err
		}
		t.Cleanup(host.stop)
		return nil
	}))
	stack.await(up0, up06)
	host.await(up0, up06)

	bySource := Rule(netlink.FAMILY_V4, 10, 7)
	bySource.Src = ipNet("10.77.0.2/31")
	s.host.AddRule(bySource)
	stack.await(up1, up0, up06)
	host.await(up0, up1, up06)
	s.host.DelRule(bySource)
	stack.await(up0, up06)
	host.await(up0, up06)

	byDevice := Rule(netlink.FAMILY_V6, 10, 7)
	byDevice.IifName = device
	s.host.AddRule(byDevice)
	stack.await(up0, up16, up06)
	host.await(up0, up06, up16)

	// Without the device nothing comes from the stack.
	s.host.Must(s.host.h.LinkDel(s.host.Link(device)))
	stack.await()
}

// TestSender chooses an address that packets of the stack may come from.
func TestSender(t *testing.T) {
	own := []netlink.Addr{{IPNet: ipNet("10.77.0.1/24")}, {IPNet: ipNet("10.77.0.2/24")}, {IPNet: ipNet("fd77::1/64")}}
	for _, c := range []struct {
		prefixes []string
		family   int
		want     string
	}{
		{[]string{"fd77::9/128", "10.77.0.9/32"}, netlink.FAMILY_V4, "10.77.0.9"},
		{[]string{"10.77.0.9/32", "fd77::9/128"}, netlink.FAMILY_V6, "fd77::9"},
		{[]string{"10.77.0.200/24"}, netlink.FAMILY_V4, "10.77.0.3"},
		{[]string{"fd77::/64"}, netlink.FAMILY_V6, "fd77::2"},
		{[]string{"10.77.0.0/31", "10.78.0.0/24"}, netlink.FAMILY_V4, "10.78.0.1"}, // no room in the first
		{[]string{"10.77.0.9/32"}, netlink.FAMILY_V6, "invalid IP"},
	} {
		var o origin
		for _, p := range c.prefixes {
			o.prefixes = append(o.prefixes, netip.MustParsePrefix(p))
		}
		if got := o.sender(c.family, own).String(); got != c.want {
			t.Errorf("%v: %s, want %s", c.prefixes, got, c.want)
		}
	}
}
