// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// RouterConfig describes a router.
type RouterConfig struct {
	// Addr4 and Addr6 are the sources of its ICMP errors. Without one it sends
	// none of that family.
	Addr4, Addr6 netip.Addr
	// Unreachable answers packets without a route with ICMP Destination
	// Unreachable. Otherwise they vanish.
	Unreachable bool
}

// RouterStats counts a router's packets.
type RouterStats struct {
	Forwarded  uint64
	NoRoute    uint64
	TTLExpired uint64
	ICMPErrors uint64 // sent
}

// Router forwards packets between links by longest prefix.
type Router struct {
	name string
	cfg  RouterConfig

	mu     sync.Mutex
	routes []route // longest prefixes first
	stats  RouterStats
}

type route struct {
	prefix netip.Prefix
	link   *Link
}

var _ End = (*Router)(nil)

// NewRouter adds a router.
func (n *Network) NewRouter(name string, cfg RouterConfig) *Router {
	return &Router{name: name, cfg: cfg}
}

// Name returns the router's name.
func (r *Router) Name() string { return r.name }

// Route sends packets for prefix over the link, instead of a link named for the same
// prefix before. An address moves to another interface by a new Route.
func (r *Router) Route(prefix netip.Prefix, via *Link) {
	prefix = prefix.Masked()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.routes {
		if r.routes[i].prefix == prefix {
			r.routes[i].link = via
			return
		}
	}
	r.routes = append(r.routes, route{prefix, via})
	slices.SortStableFunc(r.routes, func(a, b route) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
}

// Unroute removes the route for exactly prefix.
func (r *Router) Unroute(prefix netip.Prefix) {
	prefix = prefix.Masked()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes = slices.DeleteFunc(r.routes, func(rt route) bool { return rt.prefix == prefix })
}

// Stats returns the router's counters.
func (r *Router) Stats() RouterStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

func (r *Router) attach(*Link) {}

// receive forwards a packet.
func (r *Router) receive(p *Packet, from *Link) {
	_, dst := p.addrs()
	if dst.IsMulticast() || dst.IsLinkLocalUnicast() {
		p.release() // link scope
		return
	}
	now := from.net.Clock.Elapsed()
	r.mu.Lock()
	link := r.lookup(dst)
	alive := link == nil || p.decrementTTL()
	switch {
	case link == nil:
		r.stats.NoRoute++
	case !alive:
		r.stats.TTLExpired++
	default:
		r.stats.Forwarded++
	}
	r.mu.Unlock()
	if link != nil && alive {
		link.enter(p, r, now)
		return
	}
	if link == nil && r.cfg.Unreachable {
		if e := r.unreachable(p); e != nil {
			from.enter(e, r, now)
		}
	}
	p.release()
}

// lookup is called with r.mu held.
func (r *Router) lookup(dst netip.Addr) *Link {
	for _, rt := range r.routes {
		if rt.prefix.Contains(dst) {
			return rt.link
		}
	}
	return nil
}

// tooBig returns the answer to a packet that the next link can't carry, or nil.
func (r *Router) tooBig(p *Packet, mtu int) *Packet {
	return r.count(newTooBig(p, r.source(p), mtu))
}

// unreachable returns the answer to a packet that has no route, or nil.
func (r *Router) unreachable(p *Packet) *Packet {
	return r.count(newUnreachable(p, r.source(p)))
}

func (r *Router) source(p *Packet) netip.Addr {
	if p.IsIPv6() {
		return r.cfg.Addr6
	}
	return r.cfg.Addr4
}

func (r *Router) count(e *Packet) *Packet {
	if e != nil {
		r.mu.Lock()
		r.stats.ICMPErrors++
		r.mu.Unlock()
	}
	return e
}
