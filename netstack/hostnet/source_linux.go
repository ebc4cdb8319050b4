// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

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

// sourceRank is 0 for an address that does not reach far. Otherwise it follows the
// kernel. For IPv4 a primary address on the gateway's subnet comes first, then another
// primary one. For IPv6 it follows RFC 6724, section 5, rules 3 and 6. But a temporary
// IPv6 address comes last: its successor of the next day is no change.
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
