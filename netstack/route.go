// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Default routes.
var (
	Default4 = netip.MustParsePrefix("0.0.0.0/0")
	Default6 = netip.MustParsePrefix("::/0")
)

// Route says where packets go, over the NIC that it is added to.
type Route struct {
	// Destination holds the destinations of the route. The bits of its address
	// beyond the prefix are ignored.
	Destination netip.Prefix

	// Gateway is the next hop. The zero value means that the destination is on
	// the link.
	Gateway netip.Addr

	// Metric decides between routes to the same prefix: the lowest metric wins, then
	// the oldest route.
	Metric int
}

// RouteEntry is a route in use.
type RouteEntry struct {
	Route
	NIC *NIC
	// Connected: an address of the NIC has brought the route along.
	Connected bool
}

// route is a route that was added, not a connected one.
type route struct {
	Route
	nic *NIC
}

// AddRoute adds a route over the NIC. The error is an EEXIST if the NIC has a
// route with that destination and gateway already.
func (n *NIC) AddRoute(r Route) error {
	r, err := r.canonical()
	if err != nil {
		return fmt.Errorf("netstack: %s: add route: %w", n.name, err)
	}
	return n.change("add route", func(*stack.Stack) error {
		if n.routeIndexLocked(r) >= 0 {
			return fmt.Errorf("%v: %w (%w)", r.Destination, ErrInUse, syscall.EEXIST)
		}
		n.stack.routes = append(n.stack.routes, route{r, n})
		n.stack.log.Debug("netstack: route added", "nic", n.name, "destination", r.Destination, "gateway", r.Gateway, "metric", r.Metric)
		return nil
	})
}

// RemoveRoute removes the route with the destination and gateway of r, which
// AddRoute added. The error is an ESRCH if there is none.
func (n *NIC) RemoveRoute(r Route) error {
	r, err := r.canonical()
	if err != nil {
		return fmt.Errorf("netstack: %s: remove route: %w", n.name, err)
	}
	return n.change("remove route", func(*stack.Stack) error {
		i := n.routeIndexLocked(r)
		if i < 0 {
			return fmt.Errorf("%v: %w", r.Destination, syscall.ESRCH)
		}
		n.stack.routes = slices.Delete(n.stack.routes, i, i+1)
		n.stack.log.Debug("netstack: route removed", "nic", n.name, "destination", r.Destination, "gateway", r.Gateway)
		return nil
	})
}

// Routes returns the routes of the stack in the order in which they are tried.
func (s *Stack) Routes() []RouteEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.routesLocked()
}

func (n *NIC) routeIndexLocked(r Route) int {
	return slices.IndexFunc(n.stack.routes, func(o route) bool {
		return o.nic == n && o.Destination == r.Destination && o.Gateway == r.Gateway
	})
}

func (r Route) canonical() (Route, error) {
	r.Destination = unmapPrefix(r.Destination).Masked()
	r.Gateway = r.Gateway.Unmap()
	switch {
	case !r.Destination.IsValid():
		return r, fmt.Errorf("no destination: %w (%w)", ErrConfig, syscall.EINVAL)
	case r.Gateway.IsValid() && r.Gateway.Is4() != r.Destination.Addr().Is4():
		return r, fmt.Errorf("gateway %v of another family than %v: %w (%w)", r.Gateway, r.Destination, ErrConfig, syscall.EINVAL)
	}
	return r, nil
}

// routesLocked returns connected and added routes, best first.
func (s *Stack) routesLocked() []RouteEntry {
	var table []RouteEntry
	for _, n := range s.nics {
		for i, p := range n.addrs {
			dst := p.Masked()
			first := slices.IndexFunc(n.addrs, func(o netip.Prefix) bool { return o.Masked() == dst }) == i
			if !p.IsSingleIP() && first {
				table = append(table, RouteEntry{Route{Destination: dst}, n, true})
			}
		}
	}
	for _, r := range s.routes {
		table = append(table, RouteEntry{r.Route, r.nic, false})
	}
	slices.SortStableFunc(table, func(a, b RouteEntry) int {
		return cmp.Or(
			cmp.Compare(b.Destination.Bits(), a.Destination.Bits()),
			cmp.Compare(a.Metric, b.Metric))
	})
	return table
}

// refreshRoutesLocked writes the table to gVisor. gVisor keeps the order of routes with
// equally long prefixes. It does not choose a source by the route, but takes a hint.
func (s *Stack) refreshRoutesLocked() {
	table := s.routesLocked()
	rows := make([]tcpip.Route, 0, len(table))
	for _, r := range table {
		rows = append(rows, tcpip.Route{
			Destination: addressWithPrefix(r.Destination).Subnet(),
			Gateway:     Address(r.Gateway),
			NIC:         r.NIC.id,
			SourceHint:  Address(r.NIC.sourceLocked(r.Route)),
		})
	}
	s.gv.SetRouteTable(rows)
}

// sourceLocked returns the preferred source address of an IPv4 route. As in Linux, it
// is the first address on the same subnet as the next hop, else the first. gVisor
// ignores the hint for IPv6, where it follows RFC 6724, section 5.
func (n *NIC) sourceLocked(r Route) netip.Addr {
	hop := r.Gateway
	if !hop.IsValid() {
		hop = r.Destination.Addr()
	}
	if !hop.Is4() {
		return netip.Addr{}
	}
	if i := slices.IndexFunc(n.addrs, func(p netip.Prefix) bool { return p.Contains(hop) }); i >= 0 {
		return n.addrs[i].Addr()
	}
	if i := slices.IndexFunc(n.addrs, func(p netip.Prefix) bool { return p.Addr().Is4() }); i >= 0 {
		return n.addrs[i].Addr()
	}
	return netip.Addr{}
}

// Exit is an address that packets to some destinations can leave the stack with.
type Exit struct {
	Local       netip.Addr
	NIC         *NIC
	Gateway     netip.Addr   // invalid if the destinations are on the link
	Destination netip.Prefix // of the route
}

// Exits returns the addresses of NICs that are up and have a default route of the
// same family, in the order of these routes.
func (s *Stack) Exits() []Exit {
	return slices.DeleteFunc(s.AllExits(), func(e Exit) bool { return e.Destination.Bits() != 0 })
}

// AllExits returns the addresses of NICs that are up, with each route of the same family,
// in the order in which the routes are tried.
func (s *Stack) AllExits() []Exit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var exits []Exit
	for _, r := range s.routesLocked() {
		if !s.gv.CheckNIC(r.NIC.id) {
			continue
		}
		for _, p := range r.NIC.addrs {
			if p.Addr().Is4() == r.Destination.Addr().Is4() {
				exits = append(exits, Exit{Local: p.Addr(), NIC: r.NIC, Gateway: r.Gateway, Destination: r.Destination})
			}
		}
	}
	return exits
}
