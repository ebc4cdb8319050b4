// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// Prefixes tells which prefixes a host uses, in the network namespace of the thread that
// opened it, and changes the host's addresses on a device. Its methods may be called
// concurrently, but not after Close.
type Prefixes struct {
	mu     sync.Mutex // a handle answers one request at a time
	handle *netlink.Handle

	events   *nl.NetlinkSocket // messages since the opening
	closing  chan struct{}
	watching sync.WaitGroup
}

// OpenPrefixes looks at the network namespace of the calling thread.
func OpenPrefixes() (*Prefixes, error) {
	events, err := nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("hostnet: watch prefixes: %w", err)
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		events.Close()
		return nil, fmt.Errorf("hostnet: watch prefixes: %w", err)
	}
	return &Prefixes{handle: handle, events: events, closing: make(chan struct{})}, nil
}

// Used returns the prefixes of the host's addresses, and the destinations of its routes in
// all tables. Default routes are not among them, and nothing of the device is.
func (p *Prefixes) Used(device string) (used []netip.Prefix, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range maxReads {
		used, err = p.read(device)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("hostnet: list prefixes: %w", err)
	}
	return used, nil
}

func (p *Prefixes) read(device string) (used []netip.Prefix, err error) {
	link := p.index(device)
	addrs, err := p.handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}
	var own []netip.Addr // the kernel may have their local routes over another link
	for _, a := range addrs {
		prefix, ok := netipx.FromStdIPNet(a.IPNet)
		switch {
		case !ok:
		case a.LinkIndex == link:
			own = append(own, addrOf(a.IP))
		default:
			used = append(used, prefix)
		}
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := p.handle.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			if isDefault(r.Dst) || link != 0 && r.LinkIndex == link {
				continue
			}
			if prefix, ok := netipx.FromStdIPNet(r.Dst); ok && !(prefix.IsSingleIP() && slices.Contains(own, prefix.Addr())) {
				used = append(used, prefix)
			}
		}
	}
	return used, nil
}

// index returns the index of a device, or 0 if there is none of that name.
func (p *Prefixes) index(device string) int {
	link, err := p.handle.LinkByName(device)
	if err != nil {
		return 0
	}
	return link.Attrs().Index
}

// Watch calls f with each prefix that the host comes to use, except on the device, until
// Close. A routing daemon may bring many. It calls f with the zero Prefix if some got
// lost. Calls do not overlap. f must not call Close. Watch may be called once.
func (p *Prefixes) Watch(device string, f func(netip.Prefix)) {
	p.mu.Lock()
	own := p.index(device)
	p.mu.Unlock()
	p.watching.Go(func() {
		for {
			msgs, _, err := p.events.Receive()
			select {
			case <-p.closing:
				return
			default:
			}
			if err != nil { // ENOBUFS: messages got lost
				f(netip.Prefix{})
			}
			for _, m := range msgs {
				if prefix, link, ok := newPrefix(m); ok && link != own {
					f(prefix)
				}
			}
		}
	})
}

// newPrefix returns the prefix of a new address or route, and the index of its link. A
// route with several links has 0.
func newPrefix(m syscall.NetlinkMessage) (p netip.Prefix, link int, ok bool) {
	var bits, fixed int
	switch {
	case m.Header.Type == unix.RTM_NEWADDR && len(m.Data) >= unix.SizeofIfAddrmsg:
		a := nl.DeserializeIfAddrmsg(m.Data)
		bits, link, fixed = int(a.Prefixlen), int(a.Index), unix.SizeofIfAddrmsg
	case m.Header.Type == unix.RTM_NEWROUTE && len(m.Data) >= unix.SizeofRtMsg:
		bits, fixed = int(nl.DeserializeRtMsg(m.Data).Dst_len), unix.SizeofRtMsg
	default:
		return p, 0, false
	}
	attrs, err := nl.ParseRouteAttr(m.Data[fixed:])
	if err != nil {
		return p, 0, false
	}
	for _, a := range attrs {
		// Both numbers are 1 (linux/if_addr.h, linux/rtnetlink.h).
		if a.Attr.Type == unix.RTA_DST || a.Attr.Type == unix.IFA_ADDRESS {
			p = netip.PrefixFrom(addrOf(a.Value), bits)
		}
		if m.Header.Type == unix.RTM_NEWROUTE && a.Attr.Type == unix.RTA_OIF && len(a.Value) == 4 {
			link = int(nl.NativeEndian().Uint32(a.Value))
		}
	}
	return p, link, p.IsValid() && bits > 0
}

// Renumber gives the host addresses on the device, and takes others away.
func (p *Prefixes) Renumber(device string, add, remove []netip.Prefix) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	link, err := p.handle.LinkByName(device)
	if err != nil {
		return fmt.Errorf("hostnet: %s: %w", device, err)
	}
	for _, a := range add {
		// As in package tun: a TUN device has no neighbours that could have the address.
		err := p.handle.AddrAdd(link, &netlink.Addr{IPNet: netipx.PrefixIPNet(a), Flags: unix.IFA_F_NODAD})
		if err != nil {
			return fmt.Errorf("hostnet: %s: add address %v: %w", device, a, err)
		}
	}
	for _, a := range remove {
		err := p.handle.AddrDel(link, &netlink.Addr{IPNet: netipx.PrefixIPNet(a)})
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) { // somebody else has removed it
			return fmt.Errorf("hostnet: %s: remove address %v: %w", device, a, err)
		}
	}
	return nil
}

// Close ends the watch, and waits for a call under way.
func (p *Prefixes) Close() {
	close(p.closing)
	p.events.Close()
	p.watching.Wait()
	p.handle.Close()
}
