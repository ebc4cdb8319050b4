// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// localTimeout bounds the wait for the kernel to take its IPv6 addresses into use,
// which takes milliseconds, in seconds.
const localTimeout = 5

func setMTU(name string, mtu int) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetMTU(link, mtu)
}

// Configure gives the host addrs on the device, sets the device up, and adds routes
// over it to the prefixes in routes. An address with a prefix brings the connected
// route to it. Closing the link removes all of it. If Configure fails, it may have done
// a part, so the caller should close the link.
//
// The thread must be in the network namespace of the device. The error is an [ErrInUse]
// if another device has an address or route, an [ErrPermission], or an error of the
// system. Configure is for Linux. Elsewhere the error is an [errors.ErrUnsupported].
func (l *Link) Configure(addrs, routes []netip.Prefix) error {
	if err := l.configure(addrs, routes); err != nil {
		return fmt.Errorf("tun: %s: %w", l.name, err)
	}
	return nil
}

func (l *Link) configure(addrs, routes []netip.Prefix) error {
	for _, p := range slices.Concat(addrs, routes) {
		if !p.IsValid() || p.Addr().Is4In6() {
			return fmt.Errorf("%v: %w: give an IPv4 or IPv6 address with a prefix length", p, ErrConfig)
		}
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return explainErrno(err)
	}
	defer h.Close()
	routeEvents, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return explainErrno(err)
	}
	defer routeEvents.Close()
	link, err := h.LinkByName(l.name)
	if err != nil {
		return err
	}
	if err := checkFree(h, addrs); err != nil {
		return err
	}
	for _, p := range addrs {
		// A TUN device has no neighbours that could have the address.
		addr := &netlink.Addr{IPNet: netipx.PrefixIPNet(p), Flags: unix.IFA_F_NODAD}
		if err := h.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("add address %v: %w", p, explainFamily(p, err))
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", explainErrno(err))
	}
	for _, p := range routes {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netipx.PrefixIPNet(p.Masked()), Scope: netlink.SCOPE_LINK}
		if p.Addr().Is6() {
			route.Scope = netlink.SCOPE_UNIVERSE // IPv6 has no scopes of routes
		}
		err := h.RouteAdd(route)
		if errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("route to %v: %w (%w): remove the other (ip route get %v), or choose another prefix", p, ErrInUse, err, p.Addr())
		}
		if err != nil {
			return fmt.Errorf("add route to %v: %w", p, explainFamily(p, err))
		}
	}
	return awaitLocal(h, routeEvents, addrs)
}

// awaitLocal waits until the host takes packets for its IPv6 addresses. The kernel adds
// the necessary route in the background, and earlier packets are lost. A connection
// would then begin with a wait of one second for its retransmission.
func awaitLocal(h *netlink.Handle, routeEvents *nl.NetlinkSocket, addrs []netip.Prefix) error {
	if err := routeEvents.SetReceiveTimeout(&unix.Timeval{Sec: localTimeout}); err != nil {
		return err
	}
	for _, p := range addrs {
		for p.Addr().Is6() && !isLocal(h, p.Addr()) {
			if _, _, err := routeEvents.Receive(); errors.Is(err, unix.EAGAIN) {
				return fmt.Errorf("address %v is not in use after %d s", p, localTimeout)
			} else if err != nil && !errors.Is(err, unix.ENOBUFS) { // events lost: look again
				return err
			}
		}
	}
	return nil
}

// isLocal reports whether packets for a are for the host itself.
func isLocal(h *netlink.Handle, a netip.Addr) bool {
	routes, err := h.RouteGet(a.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}

// CheckHost looks whether a device of this host has the name in c or one of addrs. It
// changes nothing, and [Open] and [Link.Configure] may still fail. The error is an
// [ErrInUse], or an error of the system. CheckHost is for Linux. Elsewhere the error is an
// [errors.ErrUnsupported].
func (c Config) CheckHost(addrs []netip.Prefix) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("tun: %w", explainErrno(err))
	}
	defer h.Close()
	if c.Name != "" {
		if _, err := h.LinkByName(c.Name); err == nil {
			return fmt.Errorf("tun: %w", explainOpen(c.Name, unix.EBUSY))
		}
	}
	if err := checkFree(h, addrs); err != nil {
		return fmt.Errorf("tun: %w", err)
	}
	return nil
}

// checkFree makes sure that the host has none of addrs: the kernel would take one
// for a second device, and send from it over either.
func checkFree(h *netlink.Handle, addrs []netip.Prefix) error {
	have, err := h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, p := range addrs {
		for _, a := range have {
			if !a.IP.Equal(p.Addr().AsSlice()) {
				continue
			}
			other, err := h.LinkByIndex(a.LinkIndex)
			if err != nil {
				return err
			}
			return fmt.Errorf("address %v: %w by %s: choose another", p.Addr(), ErrInUse, other.Attrs().Name)
		}
	}
	return nil
}

// explainFamily adds the remedy to an error that may come from IPv6 being off.
func explainFamily(p netip.Prefix, err error) error {
	if p.Addr().Is6() && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP)) {
		return fmt.Errorf("%w: IPv6 is off: set sysctl net.ipv6.conf.all.disable_ipv6=0, or leave IPv6 out", err)
	}
	return explainErrno(err)
}
