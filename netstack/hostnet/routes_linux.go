// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// maxReads stops a host whose tables change all the time from being read forever.
const maxReads = 10

// tables are the interfaces and addresses of the host.
type tables struct {
	links []netlink.Link
	addrs []netlink.Addr
}

// readUplinks returns the uplinks, the best of a family first, and what they were read from.
func readUplinks(h *netlink.Handle, w Watcher) (ups []Uplink, t *tables, err error) {
	for range maxReads {
		ups, t, err = tryReadUplinks(h, w)
		// A table that changes while it is dumped comes out incomplete.
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return ups, t, err
}

func tryReadUplinks(h *netlink.Handle, w Watcher) ([]Uplink, *tables, error) {
	links, err := h.LinkList()
	if err != nil {
		return nil, nil, fmt.Errorf("list interfaces: %w", err)
	}
	addrs, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, nil, fmt.Errorf("list addresses: %w", err)
	}
	t := &tables{links, addrs}
	from := w.origin()
	var ups []Uplink
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := waysOut(h, family, from, links, addrs)
		if err != nil {
			return nil, nil, err
		}
		for _, hop := range hops(routes) {
			up, ok := t.uplink(hop, family)
			if !ok || slices.Contains(w.Exclude, up.Interface) {
				continue
			}
			// A path that several tables have is told once.
			if !slices.ContainsFunc(ups, func(o Uplink) bool { return o.path() == up.path() }) {
				ups = append(ups, up)
			}
		}
	}
	return ups, t, nil
}

// link returns the interface of an index.
func (t *tables) link(index int) (*netlink.LinkAttrs, bool) {
	i := slices.IndexFunc(t.links, func(l netlink.Link) bool { return l.Attrs().Index == index })
	if i < 0 {
		return nil, false
	}
	return t.links[i].Attrs(), true
}

// uplink returns the uplink of a next hop, if packets can leave by it.
func (t *tables) uplink(h hop, family int) (Uplink, bool) {
	link, ok := t.link(h.link)
	if !ok || !usable(link) {
		return Uplink{}, false
	}
	up := Uplink{Interface: link.Name, Index: h.link, Gateway: h.gateway, Source: h.source, Metric: h.metric}
	if !up.Source.IsValid() {
		up.Source = preferredSource(t.addrs, h, family)
	}
	return up, up.Source.IsValid()
}

// usable reports whether packets can leave over a link: RFC 2863, "up", which takes
// a carrier.
func usable(l *netlink.LinkAttrs) bool {
	const need = unix.IFF_UP | unix.IFF_RUNNING
	return l.RawFlags&need == need && l.RawFlags&unix.IFF_LOOPBACK == 0
}

// hop is a next hop of a route.
type hop struct {
	link            int
	gateway, source netip.Addr
	metric          int
}

func hops(routes []netlink.Route) []hop {
	var hops []hop
	for _, r := range routes {
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

// gateway returns the next hop, which may be of another family than the route
// (RFC 5549).
func gateway(gw net.IP, via netlink.Destination) netip.Addr {
	if v, ok := via.(*netlink.Via); ok && v != nil {
		return addrOf(v.Addr)
	}
	return addrOf(gw)
}

// addrOf returns the invalid address if there is none.
func addrOf(ip net.IP) netip.Addr {
	a, _ := netipx.FromStdIP(ip)
	return a
}
