// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

const (
	// localTimeout bounds the wait for the kernel to take an IPv6 address into use.
	// That takes milliseconds, but has to wait while the kernel takes down other
	// namespaces, for seconds on a busy machine.
	localTimeout = 20 * time.Second
	// localPoll is how often to look without an event, in microseconds. A thread of
	// real-time priority has been seen to get the last event before the address was
	// usable.
	localPoll = 50_000
)

// SetUp sets a device up.
func (ns *Namespace) SetUp(dev string) error {
	return ns.withLink(dev, func(l netlink.Link) error { return ns.rt.LinkSetUp(l) })
}

// SetDown sets a device down. The kernel removes its routes and its IPv6 addresses.
func (ns *Namespace) SetDown(dev string) error {
	return ns.withLink(dev, func(l netlink.Link) error { return ns.rt.LinkSetDown(l) })
}

// AddAddress gives a device an address, and with it the route to its prefix. It is
// no error if the device has it. If the device is up, the address is in use when
// AddAddress returns.
func (ns *Namespace) AddAddress(dev string, p netip.Prefix) error {
	return ns.withLink(dev, func(l netlink.Link) error {
		if err := checkPrefix(p); err != nil {
			return err
		}
		events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
		if err != nil {
			return err
		}
		defer events.Close()
		addr := &netlink.Addr{IPNet: netipx.PrefixIPNet(p), Flags: unix.IFA_F_NODAD}
		if err := ns.rt.AddrReplace(l, addr); err != nil {
			return fmt.Errorf("add address %v: %w", p, err)
		}
		if p.Addr().Is4() || l.Attrs().Flags&net.FlagUp == 0 {
			return nil
		}
		return ns.awaitLocal(events, p.Addr())
	})
}

// RemoveAddress takes an address from a device. With the last IPv4 address go all
// IPv4 routes over the device.
func (ns *Namespace) RemoveAddress(dev string, p netip.Prefix) error {
	return ns.withLink(dev, func(l netlink.Link) error {
		if err := checkPrefix(p); err != nil {
			return err
		}
		if err := ns.rt.AddrDel(l, &netlink.Addr{IPNet: netipx.PrefixIPNet(p)}); err != nil {
			return fmt.Errorf("remove address %v: %w", p, err)
		}
		return nil
	})
}

// awaitLocal waits until packets for a are taken. The kernel adds the necessary route
// in the background, and earlier packets are lost.
func (ns *Namespace) awaitLocal(events *nl.NetlinkSocket, a netip.Addr) error {
	if err := events.SetReceiveTimeout(&unix.Timeval{Usec: localPoll}); err != nil {
		return err
	}
	for deadline := time.Now().Add(localTimeout); time.Now().Before(deadline); {
		routes, err := ns.rt.RouteGet(a.AsSlice())
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		_, _, err = events.Receive()
		if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) { // events lost: look again
			return err
		}
	}
	return fmt.Errorf("address %v is not in use after %v", a, localTimeout)
}

// withLink runs f in the namespace with the device.
func (ns *Namespace) withLink(dev string, f func(netlink.Link) error) error {
	return ns.Do(func() error {
		link, err := ns.rt.LinkByName(dev)
		if err == nil {
			err = f(link)
		}
		if err != nil {
			return ns.wrap(fmt.Errorf("%s: %w", dev, err))
		}
		return nil
	})
}

func checkPrefix(p netip.Prefix) error {
	if !p.IsValid() || p.Addr().Is4In6() {
		return fmt.Errorf("prefix %v: give an IPv4 or IPv6 address with a prefix length", p)
	}
	return nil
}
