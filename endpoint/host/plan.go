// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"math"
	"net/netip"
	"slices"
)

// DefaultHost and DefaultAddresses are the first choice for the addresses on the device if
// a [Config] has none: the host's and the stack's. Each pair is a prefix of its own
// (RFC 3021, RFC 6164). Open chooses another pair if the host uses an address of these.
// If IPv6 is turned off on the host, the IPv6 addresses are left out.
var (
	DefaultHost      = []netip.Prefix{pair(first4).host, pair(first6).host}
	DefaultAddresses = []netip.Prefix{pair(first4).stack, pair(first6).stack}
)

var (
	first4 = netip.MustParsePrefix("10.77.0.2/31")
	first6 = netip.MustParsePrefix("fd77:6d6e:6574::2/127")
)

// candidates4 are the pairs that Open chooses from, the first choice first. No range is
// safe on every host: networks use all of RFC 1918, RFC 2544, RFC 6598 and RFC 7335. So
// there is one of each range, then many of the first three.
var candidates4 = slices.Concat([]netip.Prefix{
	first4,
	netip.MustParsePrefix("172.29.77.2/31"),
	netip.MustParsePrefix("192.168.177.2/31"),
	netip.MustParsePrefix("198.18.77.2/31"),
	netip.MustParsePrefix("100.127.77.2/31"),
	netip.MustParsePrefix("192.0.0.2/31"),
}, subnets(netip.MustParsePrefix("10.0.77.2/31"), 1, 256), // 10.0.77.2 to 10.255.77.2
	subnets(netip.MustParsePrefix("172.16.77.2/31"), 1, 16),
	subnets(netip.MustParsePrefix("192.168.0.2/31"), 2, 256))

// candidates6 are the same for IPv6, each of another unique local prefix (RFC 4193).
var candidates6 = subnets(first6, 5, 256)

// subnets returns n prefixes that differ in one byte of the address. They begin with p,
// and the byte goes from its value in p upwards and round.
func subnets(p netip.Prefix, at, n int) []netip.Prefix {
	all := make([]netip.Prefix, n)
	for i := range all {
		b := p.Addr().AsSlice()
		b[at] += byte(i)
		a, _ := netip.AddrFromSlice(b)
		all[i] = netip.PrefixFrom(a, p.Bits())
	}
	return all
}

// addresses are the two addresses of a prefix on the device.
type addresses struct{ host, stack netip.Prefix }

// pair gives the first address of a prefix of two to the stack, the other one to the host.
func pair(p netip.Prefix) addresses {
	return addresses{
		host:  netip.PrefixFrom(p.Addr().Next(), p.Bits()),
		stack: p,
	}
}

// choose returns the pair for a host that uses some prefixes. It keeps the present one
// unless another is better. The best is a pair that no prefix overlaps. If there is none,
// it is the pair whose longest overlap is the shortest. The host's route to the device is
// longer, so the host loses two addresses of a prefix. It is unlikely to miss two of a
// short one.
func choose(present netip.Prefix, used []netip.Prefix) netip.Prefix {
	candidates := candidates6
	if present.Addr().Is4() {
		candidates = candidates4
	}
	best, least := present, overlap(present, used)
	for _, c := range candidates {
		if least == 0 {
			break
		}
		if o := overlap(c, used); o < least {
			best, least = c, o
		}
	}
	return best
}

// overlap returns the length of the longest of some prefixes that overlaps p, and 0 if
// none does. A prefix inside of p counts most.
func overlap(p netip.Prefix, used []netip.Prefix) int {
	longest := 0
	for _, u := range used {
		switch {
		case !u.Overlaps(p):
		case u.Bits() >= p.Bits():
			return math.MaxInt
		default:
			longest = max(longest, u.Bits())
		}
	}
	return longest
}
