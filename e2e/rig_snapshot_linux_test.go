// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// snapshot is all that a node may change in a namespace, sorted: devices, addresses,
// routes, rules, tables of the packet filter, settings and listening sockets.
func (w *world) snapshot(ns *kernel.Namespace) []string {
	w.t.Helper()
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	w.must(ns.Do(func() error {
		for _, f := range []func(func(string, ...any)) error{addLinks, addRoutes, addTables, addSettings, addListeners} {
			if err := f(add); err != nil {
				return err
			}
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

func addLinks(add func(string, ...any)) error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		add("device %s %v", l.Attrs().Name, l.Attrs().Flags)
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			add("address %v on %s", a.IPNet, l.Attrs().Name)
		}
	}
	return nil
}

func addRoutes(add func(string, ...any)) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		// Table 0 is all of them.
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return err
		}
		for _, r := range routes {
			add("route %v", r)
		}
		rules, err := netlink.RuleList(family)
		if err != nil {
			return err
		}
		for _, r := range rules {
			add("%v", r)
		}
	}
	return nil
}

func addTables(add func(string, ...any)) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	tables, err := conn.ListTables()
	for _, t := range tables {
		add("table %s of family %d", t.Name, t.Family)
	}
	return err
}

func addSettings(add func(string, ...any)) error {
	files, err := filepath.Glob("/proc/sys/net/ipv[46]/conf/*/*")
	if err != nil {
		return err
	}
	for _, f := range append(files, "/proc/sys/net/ipv4/ip_forward") {
		value, err := os.ReadFile(f)
		add("setting %s: %q %v", f, value, err) // some may not be read
	}
	return nil
}

func addListeners(add func(string, ...any)) error {
	for _, f := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + f)
		if err != nil {
			return err
		}
		const listen = "0A" // TCP_LISTEN
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			if fields := strings.Fields(s.Text()); len(fields) > 3 && fields[3] == listen {
				add("%s listens on %s", f, fields[1])
			}
		}
	}
	return nil
}

// changes lists the differences between two snapshots.
func changes(before, after []string) (lines []string) {
	for _, l := range after {
		if !slices.Contains(before, l) {
			lines = append(lines, "+ "+l)
		}
	}
	for _, l := range before {
		if !slices.Contains(after, l) {
			lines = append(lines, "- "+l)
		}
	}
	return lines
}

// unchanged waits until a namespace is as it was, without a file at path.
func (w *world) unchanged(ns *kernel.Namespace, before []string, path string) {
	w.t.Helper()
	w.eventually(ns.Name()+" as it was", patience/6, func() error {
		if c := changes(before, w.snapshot(ns)); c != nil {
			return fmt.Errorf("%s", strings.Join(c, "\n"))
		}
		if err := unix.Access(path, unix.F_OK); err != unix.ENOENT {
			return fmt.Errorf("%s: %v", path, err)
		}
		return nil
	})
}
