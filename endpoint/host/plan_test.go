// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net/netip"
	"slices"
	"testing"
)

// TestChoose has hosts that use some prefixes, and a present choice.
func TestChoose(t *testing.T) {
	private := []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
	all := slices.Concat(private, []string{"198.18.0.0/15", "100.64.0.0/10", "192.0.0.0/24"})
	for _, tt := range []struct {
		name, present string
		used          []string
		want          string
	}{
		{"nothing", "10.77.0.2/31", nil, "10.77.0.2/31"},
		{"another network", "10.77.0.2/31", []string{"192.168.1.0/24", "192.168.1.7/32"}, "10.77.0.2/31"},
		{"the network of the choice", "10.77.0.2/31", []string{"10.77.0.0/24"}, "172.29.77.2/31"},
		{"an address of the choice", "10.77.0.2/31", []string{"10.77.0.3/32"}, "172.29.77.2/31"},
		{"a host address beside it", "10.77.0.2/31", []string{"10.77.0.4/32"}, "10.77.0.2/31"},
		{"a VPN of the range", "10.77.0.2/31", []string{"10.0.0.0/8"}, "172.29.77.2/31"},
		{"private ranges", "10.77.0.2/31", private, "198.18.77.2/31"},
		{"carrier-grade NAT beside them", "10.77.0.2/31", slices.Concat(private, []string{"198.18.0.0/15"}), "100.127.77.2/31"},
		{"DS-Lite: a part of its range", "10.77.0.2/31", slices.Concat(private, []string{"198.18.0.0/15", "100.64.0.0/10", "192.0.0.0/29"}), "10.77.0.2/31"},
		{"all ranges: two addresses of the longest", "10.77.0.2/31", all, "10.77.0.2/31"},
		{"all ranges, and the network of the choice", "10.77.0.2/31", append(all, "10.77.0.0/24"), "10.0.77.2/31"},
		{"halves of everything", "10.77.0.2/31", []string{"0.0.0.0/1", "128.0.0.0/1"}, "10.77.0.2/31"},
		{"halves, and the network of the choice", "10.77.0.2/31", []string{"0.0.0.0/1", "128.0.0.0/1", "10.77.0.0/24"}, "172.29.77.2/31"},
		{"a later choice stays", "172.29.77.2/31", []string{"10.0.0.0/24"}, "172.29.77.2/31"},
		{"and goes when it has to", "172.29.77.2/31", []string{"172.16.0.0/12"}, "10.77.0.2/31"},
		{"IPv6 of another family", "10.77.0.2/31", []string{"fd77:6d6e:6574::/64", "::/1"}, "10.77.0.2/31"},
		{"IPv6", "fd77:6d6e:6574::2/127", []string{"fd77:6d6e:6574::/48"}, "fd77:6d6e:6575::2/127"},
		{"IPv6, all local", "fd77:6d6e:6574::2/127", []string{"fc00::/7"}, "fd77:6d6e:6574::2/127"},
		{"IPv6, all local and the choice", "fd77:6d6e:6574::2/127", []string{"fc00::/7", "fd77:6d6e:6574::/64"}, "fd77:6d6e:6575::2/127"},
	} {
		used := prefixes(tt.used...)
		if got := choose(netip.MustParsePrefix(tt.present), used); got != netip.MustParsePrefix(tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// TestCandidates checks that each candidate is a prefix of two unicast addresses, which a
// router forwards.
func TestCandidates(t *testing.T) {
	for _, p := range slices.Concat(candidates4, candidates6) {
		a := pair(p)
		if p != p.Masked() || a.host.Addr().BitLen()-p.Bits() != 1 || !p.Contains(a.host.Addr()) || a.host == a.stack {
			t.Errorf("%v: host %v, stack %v", p, a.host, a.stack)
		}
		for _, own := range []netip.Prefix{a.host, a.stack} {
			if !unicast(own) || own.Addr().IsLinkLocalUnicast() {
				t.Errorf("%v", own)
			}
		}
	}
}
