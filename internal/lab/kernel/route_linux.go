// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
)

// The destinations of default routes.
var (
	Default4 = netip.MustParsePrefix("0.0.0.0/0")
	Default6 = netip.MustParsePrefix("::/0")
)

// Route is an entry of a routing table.
type Route struct {
	To     netip.Prefix
	Via    netip.Addr // the zero value if the destination is on the link
	Dev    string
	Metric int // the lowest wins; zero is the kernel's default
	Table  int // zero is the main table
}

func (r Route) String() string {
	s := r.To.Masked().String()
	if r.Via.IsValid() {
		s += " via " + r.Via.String()
	}
	return fmt.Sprintf("%s metric %d table %d", s, r.Metric, r.Table)
}

// AddRoute adds a route, in place of another to the same prefix with the same metric.
func (ns *Namespace) AddRoute(r Route) error {
	return ns.withRoute("add", r, (*netlink.Handle).RouteReplace)
}

// RemoveRoute removes a route.
func (ns *Namespace) RemoveRoute(r Route) error {
	return ns.withRoute("remove", r, (*netlink.Handle).RouteDel)
}

func (ns *Namespace) withRoute(what string, r Route, f func(*netlink.Handle, *netlink.Route) error) error {
	return ns.withLink(r.Dev, func(l netlink.Link) error {
		if err := checkPrefix(r.To); err != nil {
			return err
		}
		route := &netlink.Route{
			LinkIndex: l.Attrs().Index,
			Dst:       netipx.PrefixIPNet(r.To.Masked()),
			Priority:  r.Metric,
			Table:     r.Table,
		}
		switch {
		case r.Via.IsValid():
			route.Gw = r.Via.AsSlice()
		case r.To.Addr().Is4(): // IPv6 has no scopes of routes
			route.Scope = netlink.SCOPE_LINK
		}
		if err := f(ns.rt, route); err != nil {
			return fmt.Errorf("%s route %v: %w", what, r, err)
		}
		return nil
	})
}

// AddRule makes packets from an address, or from all of a prefix, look into a table
// before the main one. It is how a host with several uplinks sends from each address
// over the uplink that has it.
func (ns *Namespace) AddRule(from netip.Prefix, table int) error {
	return ns.Do(func() error {
		if err := checkPrefix(from); err != nil {
			return ns.wrap(err)
		}
		rule := netlink.NewRule()
		rule.Src, rule.Table = netipx.PrefixIPNet(from.Masked()), table
		rule.Family = netlink.FAMILY_V4
		if from.Addr().Is6() {
			rule.Family = netlink.FAMILY_V6
		}
		if err := ns.rt.RuleAdd(rule); err != nil {
			return ns.wrap(fmt.Errorf("add rule from %v table %d: %w", from, table, err))
		}
		return nil
	})
}

// Forward makes the namespace a router, for IPv4 and IPv6.
func (ns *Namespace) Forward() error {
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := ns.Sysctl(key, "1"); err != nil {
			return err
		}
	}
	return nil
}
