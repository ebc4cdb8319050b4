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

// maxReads stops a host whose tables change all the time from being read for ever.
const maxReads = 10

// readUplinks returns the uplinks, best first, but those over excluded interfaces.
func readUplinks(h *netlink.Handle, exclude []string) (ups []Uplink, err error) {
	for range maxReads {
		ups, err = tryReadUplinks(h, exclude)
		// A table that changes while it is dumped comes out incomplete.
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return ups, err
}

func tryReadUplinks(h *netlink.Handle, exclude []string) ([]Uplink, error) {
	links, err := h.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var ups []Uplink
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.RouteList(nil, family) // of the main table
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, hop := range defaultHops(routes) {
			i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == hop.link })
			if i < 0 || !usable(links[i].Attrs()) || slices.Contains(exclude, links[i].Attrs().Name) {
				continue
			}
			source := hop.source
			if !source.IsValid() {
				source = preferredSource(addrs, hop, family)
			}
			if source.IsValid() {
				ups = append(ups, Uplink{
					Interface: links[i].Attrs().Name, Index: hop.link,
					Gateway: hop.gateway, Source: source, Metric: hop.metric,
				})
			}
		}
	}
	slices.SortStableFunc(ups, func(a, b Uplink) int { return cmp.Compare(a.Metric, b.Metric) })
	return ups, nil
}

// usable reports whether packets can leave over a link: RFC 2863, "up", which takes
// a carrier.
func usable(l *netlink.LinkAttrs) bool {
	const need = unix.IFF_UP | unix.IFF_RUNNING
	return l.RawFlags&need == need && l.RawFlags&unix.IFF_LOOPBACK == 0
}

// hop is a next hop of a default route.
type hop struct {
	link            int
	gateway, source netip.Addr
	metric          int
}

func defaultHops(routes []netlink.Route) []hop {
	var hops []hop
	for _, r := range routes {
		if r.Type != unix.RTN_UNICAST || r.Tos != 0 || !isDefault(r.Dst) {
			continue
		}
		h := hop{link: r.LinkIndex, gateway: gateway(r.Gw, r.Via), source: addrOf(r.Src), metric: r.Priority}
		if len(r.MultiPath) == 0 {
			hops = append(hops, h)
		}
		for _, next := range r.MultiPath {
			h.link, h.gateway = next.LinkIndex, gateway(next.Gw, next.Via)
			hops = append(hops, h)
		}
	}
	return hops
}

func isDefault(dst *net.IPNet) bool {
	if dst == nil {
		return true
	}
	bits, _ := dst.Mask.Size()
	return bits == 0
}

// gateway returns the next hop, which may be of another family than the route
// (RFC 5549).
func gateway(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		return addrOf(v.Addr)
	}
	return addrOf(gw)
}

func addrOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// preferredSource returns the address to send from if the route has none.
func preferredSource(addrs []netlink.Addr, h hop, family int) netip.Addr {
	var best netip.Addr
	bestRank := 0
	for _, a := range addrs {
		ip := addrOf(a.IP)
		if a.LinkIndex != h.link || ip.Is4() != (family == netlink.FAMILY_V4) {
			continue
		}
		if rank := sourceRank(a, ip, h.gateway); rank > bestRank {
			best, bestRank = ip, rank
		}
	}
	return best
}

// sourceRank is 0 for an address from which nothing gets far. Otherwise it follows
// the kernel: for IPv4 a primary address on the gateway's subnet, else a primary
// one; for IPv6 RFC 6724, section 5, rules 3 and 6. But a temporary IPv6 address
// comes last, as its successor of tomorrow is no news.
func sourceRank(a netlink.Addr, ip, gateway netip.Addr) int {
	const unready = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
	if a.Flags&unready != 0 && a.Flags&unix.IFA_F_OPTIMISTIC == 0 || a.Scope >= unix.RT_SCOPE_LINK {
		return 0
	}
	rank := 1
	if a.Flags&unix.IFA_F_SECONDARY == 0 { // for IPv6 the same bit is IFA_F_TEMPORARY
		rank++
	}
	if ip.Is4() && gateway.IsValid() && a.IPNet.Contains(gateway.AsSlice()) || ip.Is6() && !ip.IsPrivate() {
		rank += 2
	}
	if a.Flags&unix.IFA_F_DEPRECATED == 0 {
		rank += 4
	}
	return rank
}
