// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// peerName is what a connection remembers of the dial, to find a peer that has
// moved.
type peerName struct {
	resolver Resolver
	family   string // "4", "6" or ""
	host     string
	port     uint16
}

// lookupTimeout bounds the look-up of a peer that does not answer, whose time is
// that of the attempt to reach it.
const lookupTimeout = 3 * time.Second

// peerName returns nil if address is not a name.
func (d *Dialer) peerName(network, address string) *peerName {
	family, _ := parseNetwork(network)
	host, port, err := splitAddress(network, address)
	if err != nil || host == "" || d.Resolver == nil {
		return nil
	}
	if _, err := parseHost(host); err == nil {
		return nil
	}
	return &peerName{resolver: d.Resolver, family: family, host: host, port: port}
}

// peerFor picks the peer's address for a path from local, the zero AddrPort for
// the one that it has now.
func (c *Conn) peerFor(local netip.Addr, remote netip.AddrPort) netip.AddrPort {
	if remote.IsValid() || !local.IsValid() || local.IsUnspecified() {
		return remote
	}
	_, current := c.addrs()
	v4 := local.Unmap().Is4()
	if current.Addr().Is4() == v4 {
		return remote
	}
	if peers := c.peers.Load(); peers != nil {
		for _, p := range *peers {
			if p.Addr().Is4() == v4 {
				return p
			}
		}
	}
	return remote
}

// hasPeerFor reports whether the peer has an address of local's family.
func (c *Conn) hasPeerFor(local netip.Addr) bool {
	_, current := c.addrs()
	return current.Addr().Is4() == local.Is4() || c.peerFor(local, netip.AddrPort{}).IsValid()
}

// resolveAgain looks the name of a peer up that does not answer, and returns an
// address for a path from local: another one than it has now, if there is one.
// Of several, each call returns the next. It returns the zero AddrPort if nothing
// is found.
func (c *Conn) resolveAgain(ctx context.Context, local netip.Addr) netip.AddrPort {
	if c.name == nil {
		return netip.AddrPort{}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addrs, err := c.name.resolver.LookupNetIP(ctx, "ip"+c.name.family, c.name.host)
	if err != nil {
		return netip.AddrPort{}
	}
	var peers []netip.AddrPort
	for _, a := range addrs {
		if a = a.Unmap(); inFamily(a, c.name.family) {
			peers = append(peers, netip.AddrPortFrom(a, c.name.port))
		}
	}
	if len(peers) == 0 {
		return netip.AddrPort{}
	}
	c.peers.Store(&peers)
	_, current := c.addrs()
	fit := slices.DeleteFunc(slices.Clone(peers), func(p netip.AddrPort) bool {
		return p.Addr().Is4() != local.Is4() || p.Addr() == current.Addr()
	})
	if len(fit) == 0 {
		return netip.AddrPort{}
	}
	n := int(c.lookups.Add(1)-1) % len(fit)
	return fit[n]
}
