// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

func prefixes(ps ...string) (out []netip.Prefix) {
	for _, p := range ps {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// TestConfig has Open refuse configurations before it touches the host: these tests need
// no root.
func TestConfig(t *testing.T) {
	one, two := prefixes("10.0.0.1/24"), prefixes("10.0.0.2/24")
	manyRoutes := make([]netip.Prefix, hostnet.MaxMasquerade)
	for i := range manyRoutes {
		manyRoutes[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 0}), 24)
	}
	for what, cfg := range map[string]Config{
		"MTU":                     {Device: tun.Config{MTU: 100}},
		"reserved name":           {Device: tun.Config{Name: "all"}},
		"driver of a router":      {Device: tun.Config{Driver: tun.VNetHdr}, Stack: netstack.Config{Forwarding: true}},
		"stack":                   {Stack: netstack.Config{CongestionControl: "none"}},
		"no address":              {Host: one},
		"no address of the host":  {Addresses: one},
		"invalid address":         {Host: one, Addresses: []netip.Prefix{{}}},
		"unspecified address":     {Host: one, Addresses: prefixes("0.0.0.0/24")},
		"multicast address":       {Host: one, Addresses: prefixes("224.0.0.1/24")},
		"loopback address":        {Host: one, Addresses: prefixes("127.0.0.1/8")},
		"mapped address":          {Host: one, Addresses: prefixes("::ffff:10.0.0.2/120")},
		"address of both":         {Host: one, Addresses: one},
		"address twice":           {Host: one, Addresses: slices.Concat(two, two)},
		"address of all":          {Host: one, Addresses: prefixes("10.0.0.2/0")},
		"address of a family":     {Host: one, Addresses: prefixes("10.0.0.2/24", "fd00::2/64")},
		"address without route":   {Host: one, Addresses: prefixes("10.9.0.2/24")},
		"multicast route":         {Routes: prefixes("224.0.0.0/4")},
		"route of a family":       {Host: one, Addresses: two, Routes: prefixes("fd00::/64")},
		"invalid route":           {Routes: []netip.Prefix{{}}},
		"route twice":             {Routes: prefixes("10.1.0.0/16", "10.1.0.9/16")},
		"route of the device":     {Host: one, Addresses: two, Routes: prefixes("10.0.0.0/24")},
		"all routes, masqueraded": {Masquerade: true, Routes: prefixes("0.0.0.0/0")},
		"many routes":             {Masquerade: true, Routes: manyRoutes},
		"port 0":                  {Ports: []uint16{0}},
		"port twice":              {Ports: []uint16{80, 80}},
		"many ports":              {Ports: make([]uint16, hostnet.MaxRedirects+1)},
	} {
		h, err := Open(t.Context(), cfg)
		if err == nil {
			h.Close()
		}
		if !errors.Is(err, netstack.ErrConfig) && !errors.Is(err, netstack.ErrInUse) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestShareConfig masquerades each prefix once, and redirects to the first address of
// each family.
func TestShareConfig(t *testing.T) {
	got := Config{
		Addresses:  prefixes("10.0.0.2/24", "10.0.0.3/24", "fd00::2/64"),
		Routes:     prefixes("10.1.0.0/16"),
		Masquerade: true,
		Ports:      []uint16{80},
	}.shareConfig("mnet7")
	if want := prefixes("10.0.0.0/24", "fd00::/64", "10.1.0.0/16"); !slices.Equal(got.Masquerade, want) {
		t.Errorf("masquerade %v, want %v", got.Masquerade, want)
	}
	want := []hostnet.Redirect{
		{Port: 80, To: netip.MustParseAddrPort("10.0.0.2:80")},
		{Port: 80, To: netip.MustParseAddrPort("[fd00::2]:80")},
	}
	if !slices.Equal(got.Redirects, want) || got.Device != "mnet7" {
		t.Errorf("redirects %v of %s, want %v", got.Redirects, got.Device, want)
	}
}
