// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// Conntrack is an entry of the connection tracking table.
type Conntrack struct {
	Protocol uint8 // such as unix.IPPROTO_TCP
	// The packets of the opener go from Source to Destination. The packets of the other
	// end go from ReplySource to ReplyDestination. Where a NAT translates, these are
	// not the same two addresses.
	Source, Destination           netip.AddrPort
	ReplySource, ReplyDestination netip.AddrPort
}

// Conntracks returns the connections that the namespace tracks.
func (ns *Namespace) Conntracks() ([]Conntrack, error) {
	var all []Conntrack
	err := ns.Do(func() error {
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			flows, err := ns.rt.ConntrackTableList(netlink.ConntrackTable, family)
			for errors.Is(err, netlink.ErrDumpInterrupted) {
				flows, err = ns.rt.ConntrackTableList(netlink.ConntrackTable, family)
			}
			if err != nil {
				return ns.wrap(fmt.Errorf("list connections: %w", err))
			}
			for _, f := range flows {
				all = append(all, Conntrack{
					Protocol:         f.Forward.Protocol,
					Source:           addrPort(f.Forward.SrcIP, f.Forward.SrcPort),
					Destination:      addrPort(f.Forward.DstIP, f.Forward.DstPort),
					ReplySource:      addrPort(f.Reverse.SrcIP, f.Reverse.SrcPort),
					ReplyDestination: addrPort(f.Reverse.DstIP, f.Reverse.DstPort),
				})
			}
		}
		return nil
	})
	return all, err
}

func addrPort(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netipx.FromStdIP(ip)
	return netip.AddrPortFrom(a, port)
}

// FlushConntrack makes the namespace forget all connections, and with them the
// mappings of its NAT.
func (ns *Namespace) FlushConntrack() error {
	return ns.Do(func() error {
		if err := ns.rt.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			return ns.wrap(fmt.Errorf("flush connections: %w", err))
		}
		return nil
	})
}

// ConntrackInvalid returns how many packets connection tracking has called invalid,
// dropped or not.
func (ns *Namespace) ConntrackInvalid() (uint64, error) {
	var stat []byte
	err := ns.Do(func() (err error) {
		// Not /proc/net: that is of the process's main thread.
		stat, err = os.ReadFile("/proc/thread-self/net/stat/nf_conntrack")
		return ns.wrap(err)
	})
	if err != nil {
		return 0, err
	}
	n, err := sumColumn(string(stat), "invalid")
	return n, ns.wrap(err)
}

// sumColumn adds up a column of hexadecimal numbers below a line of names: there is
// a line for each CPU.
func sumColumn(table, name string) (uint64, error) {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	column := slices.Index(strings.Fields(lines[0]), name)
	if column < 0 {
		return 0, fmt.Errorf("connection tracking has no statistic %q", name)
	}
	var sum uint64
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if column >= len(fields) {
			return 0, fmt.Errorf("connection tracking statistics: short line %q", line)
		}
		n, err := strconv.ParseUint(fields[column], 16, 64)
		if err != nil {
			return 0, fmt.Errorf("connection tracking statistics: %w", err)
		}
		sum += n
	}
	return sum, nil
}
