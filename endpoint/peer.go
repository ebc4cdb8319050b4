// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// peerName is the name that was dialled. It serves to find a peer that has moved.
type peerName struct {
	resolver Resolver
	family   string // "4", "6" or ""
	host     string
	port     uint16
}

// lookupTimeout bounds the look-up of a peer that does not answer, on the clock of the
// stack. A silent name server must not keep a connection from trying the known
// addresses.
const lookupTimeout = 2 * time.Second

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
	if remote.IsValid() || !local.IsValid() || local.Unmap().IsUnspecified() {
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

// otherPeer returns the peer's first address of the family that it is not reached by now.
// It is invalid if none is known.
func (c *Conn) otherPeer() netip.Addr {
	_, current := c.addrs()
	if peers := c.peers.Load(); peers != nil {
		for _, p := range *peers {
			if p.Addr().Is4() != current.Addr().Is4() {
				return p.Addr()
			}
		}
	}
	return netip.Addr{}
}

// resolveAgain looks up the name of a peer that does not answer, and returns an address
// for a path from local. Each call returns the next address of the name, the present
// one last: other hosts may have the same name. It returns the zero AddrPort, for the
// present one, if nothing else is found.
func (c *Conn) resolveAgain(ctx context.Context, local netip.Addr) netip.AddrPort {
	if c.name == nil {
		return netip.AddrPort{}
	}
	ctx, cancel := withClockTimeout(ctx, c.stack.Clock(), lookupTimeout)
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
	others := slices.DeleteFunc(slices.Clone(peers), func(p netip.AddrPort) bool {
		return p.Addr().Is4() != local.Is4() || p.Addr() == current.Addr()
	})
	n := len(others)
	if current.Addr().Is4() == local.Is4() {
		n++
	}
	if n == 0 {
		return netip.AddrPort{}
	}
	if i := int(c.lookups.Add(1)-1) % n; i < len(others) {
		return others[i]
	}
	return netip.AddrPort{}
}
