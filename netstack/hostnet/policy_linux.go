// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The kernel is asked for the route to these addresses, since the peers are not known
// yet. They belong to the next host on the way out (RFC 7723). No network is behind
// them, and no route is about them in particular. Nothing is sent there.
var (
	anyPeer4 = netip.MustParseAddr("192.0.0.9")
	anyPeer6 = netip.MustParseAddr("2001:1::1")
)

func anyPeer(family int) netip.Addr {
	if family == netlink.FAMILY_V4 {
		return anyPeer4
	}
	return anyPeer6
}

// waysOut returns the routes by which packets of from could leave. The route that they
// take comes first. Then come the default routes of all tables that the rules of policy
// routing name, in their order. There is none if the kernel drops such packets.
func waysOut(h *netlink.Handle, family int, from origin, links []netlink.Link, addrs []netlink.Addr) ([]netlink.Route, error) {
	// To follow the rules here, we would have to know all their selectors, those of
	// later kernels included.
	routes, err := lookup(h, family, from, links, addrs)
	if err != nil || len(routes) == 0 {
		return nil, err
	}
	tables, err := ruledTables(h, family)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	others, err := h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	others = slices.DeleteFunc(others, func(r netlink.Route) bool {
		return r.Type != unix.RTN_UNICAST || r.Tos != 0 || !isDefault(r.Dst) || !slices.Contains(tables, r.Table)
	})
	slices.SortStableFunc(others, func(a, b netlink.Route) int {
		return cmp.Or(
			cmp.Compare(slices.Index(tables, a.Table), slices.Index(tables, b.Table)),
			cmp.Compare(a.Priority, b.Priority))
	})
	return append(routes, others...), nil
}

// lookup asks the kernel for the route of packets of from. There is none if it
// drops them, or delivers them to the host itself.
func lookup(h *netlink.Handle, family int, from origin, links []netlink.Link, addrs []netlink.Addr) ([]netlink.Route, error) {
	// The route itself, not where it leads this once: it may have several next hops.
	// Kernels before 4.13 answer the latter nevertheless.
	opts := netlink.RouteGetOptions{FIBMatch: true}
	if src := from.sender(family, addrs); src.IsValid() {
		i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == from.device })
		if i < 0 {
			return nil, nil
		}
		opts.IifIndex, opts.SrcAddr = links[i].Attrs().Index, src.AsSlice()
	}
	routes, err := routesTo(h, anyPeer(family), &opts)
	return slices.DeleteFunc(routes, func(r netlink.Route) bool { return r.Type != unix.RTN_UNICAST }), err
}

// routesTo asks the kernel for the routes to a peer. There is none if it drops such packets.
func routesTo(h *netlink.Handle, peer netip.Addr, opts *netlink.RouteGetOptions) ([]netlink.Route, error) {
	routes, err := h.RouteGetWithOptions(peer.AsSlice(), opts)
	if isNoRoute(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up the route to %v: %w", peer, err)
	}
	return routes, nil
}

// isNoRoute reports whether err means that there is no route for such packets. Either
// there is none at all, or its type is unreachable, prohibit or blackhole. Or the
// kernel would not accept the packet, or the family or the interface is not there.
func isNoRoute(err error) bool {
	return slices.ContainsFunc([]error{
		unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.EAFNOSUPPORT, unix.EOPNOTSUPP, unix.ENODEV,
	}, func(no error) bool { return errors.Is(err, no) })
}

// ruledTables returns the tables that rules name, in the order of the rules. It leaves
// out tables whose default routes are suppressed (suppress_prefixlength).
func ruledTables(h *netlink.Handle, family int) ([]int, error) {
	rules, err := h.RuleList(family)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
		return []int{unix.RT_TABLE_MAIN}, nil // a kernel without policy routing
	}
	var tables []int
	for _, r := range rules {
		if r.SuppressPrefixlen < 0 && !slices.Contains(tables, r.Table) {
			tables = append(tables, r.Table)
		}
	}
	return tables, err
}

func isDefault(dst *net.IPNet) bool {
	if dst == nil {
		return true
	}
	bits, _ := dst.Mask.Size()
	return bits == 0
}

// sender returns an address of a family that packets of o come from, which is none
// of the host's own. It is invalid if there is none.
func (o origin) sender(family int, own []netlink.Addr) netip.Addr {
	for _, a := range o.sources {
		if a.Is4() == (family == netlink.FAMILY_V4) {
			return a
		}
	}
	for _, p := range o.prefixes {
		if p.Addr().Is4() != (family == netlink.FAMILY_V4) {
			continue
		}
		a := p.Addr()
		if !p.IsSingleIP() {
			a = p.Masked().Addr().Next() // the first is no host's
		}
		for slices.ContainsFunc(own, func(o netlink.Addr) bool { return addrOf(o.IP) == a }) {
			a = a.Next()
		}
		if p.Contains(a) {
			return a
		}
	}
	return netip.Addr{}
}
