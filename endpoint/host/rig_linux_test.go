// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"go4.org/netipx"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
)

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

// must fails the test if err is not nil.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site gives the host of the tests an uplink, up0, until the test ends.
func site(t *testing.T) {
	t.Helper()
	nstest.Need(t)
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "up0"}, PeerName: "peer0"}))
	up0, err := netlink.LinkByName("up0")
	must(t, err)
	t.Cleanup(func() { must(t, netlink.LinkDel(up0)) })
	peer0, err := netlink.LinkByName("peer0")
	must(t, err)
	must(t, netlink.AddrAdd(up0, &netlink.Addr{IPNet: ipNet("192.0.2.7/24")}))
	for _, l := range []netlink.Link{up0, peer0} {
		must(t, netlink.LinkSetUp(l))
	}
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: up0.Attrs().Index, Dst: ipNet("0.0.0.0/0"), Gw: net.ParseIP("192.0.2.1")}))
	// Link-local addresses that are still tentative would change the snapshots later.
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/up0/disable_ipv6", []byte("1"), 0))
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/peer0/disable_ipv6", []byte("1"), 0))
}

func ipNet(prefix string) *net.IPNet { return netipx.PrefixIPNet(netip.MustParsePrefix(prefix)) }

// snapshot returns a line for each device, address, route, rule, nftables table and
// setting of the host that a Host may change.
func snapshot(t *testing.T) (lines []string) {
	t.Helper()
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	links, err := netlink.LinkList()
	must(t, err)
	for _, l := range links {
		add("device %s", l.Attrs().Name)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	must(t, err)
	for _, a := range addrs {
		add("address %v", a.IPNet)
	}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	must(t, err)
	for _, r := range routes {
		add("route %v by %d in %d", r.Dst, r.LinkIndex, r.Table)
	}
	rules, err := netlink.RuleList(netlink.FAMILY_ALL)
	must(t, err)
	for _, r := range rules {
		add("rule %v", r)
	}
	conn, err := nftables.New()
	must(t, err)
	tables, err := conn.ListTables()
	must(t, err)
	for _, table := range tables {
		add("table %s", table.Name)
	}
	for _, name := range []string{"forwarding", "force_forwarding", "accept_ra"} {
		files, err := filepath.Glob("/proc/sys/net/ipv?/conf/*/" + name)
		must(t, err)
		for _, file := range files {
			value, err := os.ReadFile(file)
			must(t, err)
			add("%s=%s", file, value)
		}
	}
	slices.Sort(lines)
	return lines
}

// unchanged returns a function that fails the test if the host, or the goroutines, are
// not as they were when unchanged was called.
func unchanged(t *testing.T) (check func(what string)) {
	t.Helper()
	before, goroutines := snapshot(t), goleak.IgnoreCurrent()
	return func(what string) {
		t.Helper()
		after := snapshot(t)
		for _, line := range after {
			if !slices.Contains(before, line) {
				t.Errorf("%s: left: %s", what, line)
			}
		}
		for _, line := range before {
			if !slices.Contains(after, line) {
				t.Errorf("%s: gone: %s", what, line)
			}
		}
		if err := goleak.Find(goroutines); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// dropNetAdmin takes CAP_NET_ADMIN from the thread.
func dropNetAdmin() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	return unix.Capset(&head, &data[0])
}
