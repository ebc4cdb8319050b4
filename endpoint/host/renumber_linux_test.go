// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
)

// uplinkAddress gives the uplink of site another address.
func uplinkAddress(t *testing.T, prefix string) {
	t.Helper()
	up0, err := netlink.LinkByName("up0")
	must(t, err)
	must(t, netlink.AddrAdd(up0, &netlink.Addr{IPNet: ipNet(prefix)}))
}

// TestOpenChooses opens a Host where the network uses the first choice.
func TestOpenChooses(t *testing.T) {
	site(t)
	uplinkAddress(t, "10.77.0.23/24")
	check := unchanged(t)
	h, err := Open(t.Context(), everything())
	must(t, err)
	want := prefixes("172.29.77.2/31", "fd77:6d6e:6574::2/127")
	if _, stack := h.Addresses(); !h.Chosen() || !slices.Equal(stack, want) || !slices.Equal(h.NIC.Addresses(), want) {
		t.Errorf("chosen %v: %v, want %v", h.Chosen(), stack, want)
	}
	if _, stack, err := Choose("mnet0"); err != nil || !slices.Equal(stack, want) {
		t.Errorf("beside it: %v, %v", stack, err)
	}
	must(t, h.Close())
	check("Close")
}

// TestOpenLeavesAddresses has addresses in the Config that the network uses, too: they stay.
func TestOpenLeavesAddresses(t *testing.T) {
	site(t)
	uplinkAddress(t, "10.77.0.23/24")
	cfg := everything()
	cfg.Host, cfg.Addresses = DefaultHost[:1], DefaultAddresses[:1]
	h, err := Open(t.Context(), cfg)
	must(t, err)
	defer h.Close()
	if host, stack := h.Addresses(); h.Chosen() || !slices.Equal(host, cfg.Host) || !slices.Equal(stack, cfg.Addresses) {
		t.Errorf("%v, %v", host, stack)
	}
}

// TestRenumber has the network use the choice of a Host that is open, twice.
func TestRenumber(t *testing.T) {
	site(t)
	check := unchanged(t)
	cfg := everything()
	told := make(chan []netip.Prefix, 2)
	cfg.Renumbered = func(_, stack []netip.Prefix) { told <- stack }
	h, err := Open(t.Context(), cfg)
	must(t, err)
	ln, err := h.ListenConfig().Listen(t.Context(), "tcp", ":80")
	must(t, err)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, c.LocalAddr())
			c.Close()
		}
	}()
	for _, c := range []struct{ used, stack4, stack6 string }{
		{"10.77.0.23/24", "172.29.77.2/31", "fd77:6d6e:6574::2/127"},
		{"172.29.77.9/24", "192.168.177.2/31", "fd77:6d6e:6574::2/127"},
	} {
		uplinkAddress(t, c.used)
		want := prefixes(c.stack4, c.stack6)
		select {
		case stack := <-told:
			if !slices.Equal(stack, want) {
				t.Errorf("%s: %v, want %v", c.used, stack, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s: nothing changes", c.used)
		}
		host, stack := h.Addresses()
		nic := h.NIC.Addresses()
		slices.SortFunc(nic, netip.Prefix.Compare)
		if !slices.Equal(stack, want) || !slices.Equal(nic, want) {
			t.Errorf("%s: addresses %v, of the NIC %v, want %v", c.used, stack, nic, want)
		}
		to := netip.AddrPortFrom(stack[0].Addr(), 80)
		for _, address := range []string{to.String(), "192.0.2.7:80"} { // by the device, by a redirected port
			conn, err := net.DialTimeout("tcp", address, patience)
			must(t, err)
			got, err := io.ReadAll(conn)
			conn.Close()
			if string(got) != to.String() || err != nil {
				t.Errorf("%s: reached %q, %v, want %v", address, got, err, to)
			}
		}
		if ups := h.Uplinks(); len(ups) != 1 || ups[0].Local != stack[0].Addr() {
			t.Errorf("%s: uplinks %v", c.used, ups)
		}
		link, err := netlink.LinkByName("mnet0")
		must(t, err)
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V4)
		must(t, err)
		if len(addrs) != 1 || addrs[0].IPNet.String() != host[0].String() {
			t.Errorf("%s: the host has %v, want %v", c.used, addrs, host[0])
		}
	}
	must(t, h.Close())
	up0, err := netlink.LinkByName("up0")
	must(t, err)
	for _, a := range []string{"10.77.0.23/24", "172.29.77.9/24"} {
		must(t, netlink.AddrDel(up0, &netlink.Addr{IPNet: ipNet(a)}))
	}
	check("Close")
}

// TestRenumberBySomethingElse has the device's own routes, and default routes, come: they
// are no reason for other addresses.
func TestRenumberBySomethingElse(t *testing.T) {
	nstest.Need(t)
	site(t)
	told := make(chan []netip.Prefix, 8)
	cfg := everything()
	cfg.Renumbered = func(_, stack []netip.Prefix) { told <- stack }
	h, err := Open(t.Context(), cfg)
	must(t, err)
	defer h.Close()
	link, err := netlink.LinkByName("mnet0")
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet("10.77.0.0/24"), Scope: netlink.SCOPE_LINK}))
	up0, err := netlink.LinkByName("up0")
	must(t, err)
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: up0.Attrs().Index, Dst: ipNet("0.0.0.0/0"), Gw: net.ParseIP("192.0.2.1"), Priority: 7}))
	uplinkAddress(t, "10.77.0.23/24") // a reason
	if stack := <-told; stack[0] != netip.MustParsePrefix("172.29.77.2/31") {
		t.Errorf("%v", stack)
	}
	if len(told) > 0 {
		t.Errorf("twice: %v", <-told)
	}
}
