// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxPeers bounds the look-ups that each change of the tables takes. A route to a peer
// beyond it is looked up when somebody asks. The change of such a route alone is not told.
const maxPeers = 1024

// way is what packets are looked up by: the stack's address and the peer.
type way struct{ from, to netip.Addr }

// answer is the uplink of a way. It is the zero Uplink if there is none.
type answer struct {
	uplink Uplink
	asked  uint64 // when somebody asked for it last
}

// peers remembers the routes to peers that somebody has asked for, until the tables change.
type peers struct {
	look func(way) (Uplink, error)

	mu    sync.Mutex
	known map[way]answer
	asks  uint64
}

// route returns the uplink of a way.
func (p *peers) route(w way) (Uplink, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asks++
	a, ok := p.known[w]
	if !ok {
		up, err := p.look(w)
		if err != nil {
			return Uplink{}, false
		}
		a.uplink = up
		if len(p.known) == maxPeers {
			p.forgetOldest()
		}
	}
	a.asked = p.asks
	p.known[w] = a
	return a.uplink, a.uplink != Uplink{}
}

func (p *peers) forgetOldest() {
	var oldest way
	least := p.asks
	for w, a := range p.known {
		if a.asked < least {
			oldest, least = w, a.asked
		}
	}
	delete(p.known, oldest)
}

// reach reports whether one of the peers is in a prefix.
func (p *peers) reach(prefix netip.Prefix) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.known {
		if prefix.Contains(w.to) {
			return true
		}
	}
	return false
}

// fresh looks up all routes again. lost says that a peer that had an uplink has none.
func (p *peers) fresh() (now map[way]Uplink, changed, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now = make(map[way]Uplink, len(p.known))
	for w, a := range p.known {
		up, err := p.look(w)
		if err != nil {
			up = a.uplink
		}
		now[w] = up
		changed = changed || up.path() != a.uplink.path()
		lost = lost || up == Uplink{} && a.uplink != Uplink{}
	}
	return now, changed, lost
}

// take replaces the answers that are still remembered.
func (p *peers) take(now map[way]Uplink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w, a := range p.known {
		if up, ok := now[w]; ok {
			a.uplink = up
			p.known[w] = a
		}
	}
}

// lookUp asks the kernel for the uplink of packets from w.from to w.to, which come in by
// the device. It is the zero Uplink if the kernel drops such packets. Packets to the host
// itself have the interface with that address.
func (t *tables) lookUp(h *netlink.Handle, w way, device string) (Uplink, error) {
	opts := netlink.RouteGetOptions{FIBMatch: true}
	if device != "" {
		i := slices.IndexFunc(t.links, func(l netlink.Link) bool { return l.Attrs().Name == device })
		if i < 0 {
			return Uplink{}, nil
		}
		opts.IifIndex, opts.SrcAddr = t.links[i].Attrs().Index, w.from.AsSlice()
	}
	routes, err := routesTo(h, w.to, &opts)
	if err != nil {
		return Uplink{}, err
	}
	family := netlink.FAMILY_V4
	if w.to.Is6() {
		family = netlink.FAMILY_V6
	}
	for _, r := range routes {
		link, ok := t.link(r.LinkIndex)
		if r.Type == unix.RTN_LOCAL && ok {
			return Uplink{Interface: link.Name, Index: link.Index, Source: w.to}, nil
		}
		if r.Type != unix.RTN_UNICAST {
			continue
		}
		for _, hop := range hops([]netlink.Route{r}) {
			if up, ok := t.uplink(hop, family); ok && up.Interface != device {
				return up, nil
			}
		}
	}
	return Uplink{}, nil
}
