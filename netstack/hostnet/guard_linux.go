// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// guard knows which interfaces forward packets only because of the Share. It keeps the
// host from being a router between them. It is not safe for concurrent use.
type guard struct {
	device  string
	table   *table
	forward *forwarding
	logger  *slog.Logger
	links   *netlink.Handle
	events  *nl.NetlinkSocket

	families []*guardedFamily // of the Share
	applied  guardRules
}

// guardedFamily is what the guard knows of a family. Interfaces are named by their
// index: it stays when an interface gets another name.
type guardedFamily struct {
	name string       // "ipv4" or "ipv6"
	own  map[int]bool // interfaces that forwarded before
	mine map[int]bool // interfaces that the Share has turned forwarding on for: whether on a router

	// everywhere: the Share has turned forwarding on for all interfaces, as the kernel
	// has no other switch.
	everywhere bool

	// router: somebody else has made a router of the host. The switches no longer tell
	// what is forwarded because of the Share.
	router bool
}

// openGuard opens the sockets, in the network namespace of the thread.
func openGuard(device string, t *table, f *forwarding, logger *slog.Logger) (*guard, error) {
	g := &guard{device: device, table: t, forward: f, logger: logger}
	var err error
	if g.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	// RTM_NEWNETCONF tells that a switch has changed, RTM_NEWLINK that a bridge has.
	g.events, err = nl.Subscribe(unix.NETLINK_ROUTE,
		unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF)
	if err != nil {
		g.links.Close()
		return nil, err
	}
	return g, nil
}

// watch calls f after each change of a switch or an interface, until stop. f must not call
// stop.
func (g *guard) watch(f func()) (stop func()) {
	var running sync.WaitGroup
	done := make(chan struct{})
	running.Go(func() {
		for {
			g.events.Receive() // an error means that messages got lost
			select {
			case <-done:
				return
			default:
			}
			f()
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		g.events.Close()
		running.Wait()
	})
}

func (g *guard) close() {
	g.events.Close()
	g.links.Close()
}

// enable turns forwarding on for a family, for the device and the uplinks. The guard
// comes first: it sees all packets that are forwarded because of the Share.
func (g *guard) enable(family string, uplinks []Uplink) error {
	links, err := g.list()
	if err != nil {
		return err
	}
	fam, err := g.family(family, links)
	if err != nil {
		return err
	}
	names := []string{g.device}
	for _, u := range uplinks {
		names = append(names, u.Interface)
	}
	if err := g.claim(fam, names, links); err != nil {
		return err
	}
	if err := g.apply(links); err != nil {
		return err
	}
	var errs []error
	for i, name := range names {
		err := g.forward.enable(family, name)
		if i == 0 && err != nil {
			return explainDevice(err)
		}
		if !errors.Is(err, fs.ErrNotExist) { // else the uplink is gone already
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// list returns the interfaces.
func (g *guard) list() (links []netlink.Link, err error) {
	for range maxReads {
		links, err = g.links.LinkList()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}

// family returns what is known of a family. At first these are the interfaces that
// forward without the Share.
func (g *guard) family(name string, links []netlink.Link) (*guardedFamily, error) {
	i := slices.IndexFunc(g.families, func(f *guardedFamily) bool { return f.name == name })
	if i >= 0 {
		return g.families[i], nil
	}
	f := &guardedFamily{name: name, mine: make(map[int]bool)}
	var err error
	if f.own, err = g.forwarders(f, links); err != nil {
		return nil, err
	}
	g.families = append(g.families, f)
	return f, nil
}

// claim notes the interfaces whose forwarding is about to be turned on.
func (g *guard) claim(f *guardedFamily, names []string, links []netlink.Link) error {
	if err := g.judge(f, links); err != nil {
		return err
	}
	if f.router && f.name == "ipv6" {
		return nil // the switch of all interfaces is enough: nothing is turned on
	}
	if !g.forward.single(f.name, g.device) {
		if !f.everywhere {
			for _, l := range links {
				f.mine[l.Attrs().Index] = false
			}
		}
		f.everywhere = true
		return nil
	}
	on, err := g.forwarders(f, links)
	if err != nil {
		return err
	}
	for _, l := range links {
		if i := l.Attrs().Index; !on[i] && slices.Contains(names, l.Attrs().Name) {
			f.mine[i] = f.router
			delete(f.own, i)
		}
	}
	return nil
}

// forwarders returns the interfaces of links that forward.
func (g *guard) forwarders(f *guardedFamily, links []netlink.Link) (map[int]bool, error) {
	on := make(map[int]bool)
	for _, l := range links {
		is, err := g.forward.isOn(f.name, l.Attrs().Name)
		if err != nil {
			return nil, err
		}
		if is {
			on[l.Attrs().Index] = true
		}
	}
	return on, nil
}

// judge finds out whether somebody else has made a router of the host, and logs a
// change.
func (g *guard) judge(f *guardedFamily, links []netlink.Link) error {
	router, err := g.isRouter(f, links)
	if err != nil || router == f.router {
		return err
	}
	f.router = router
	if router {
		g.logger.Info("hostnet: somebody else made a router of the host: what it forwards is not dropped", "family", f.name)
	} else {
		g.logger.Info("hostnet: the host is a router for the device only: other packets that it forwards are dropped", "family", f.name)
	}
	return nil
}

// isRouter reports whether somebody else has made a router of the host. A host becomes
// one by the switch of all interfaces, or when an interface begins to forward without
// the Share.
func (g *guard) isRouter(f *guardedFamily, links []netlink.Link) (bool, error) {
	file := "all"
	if f.everywhere {
		file = "default" // that of all interfaces is the Share's: see enableAll6
	}
	all, err := g.forward.get(f.name, file, "forwarding")
	if err != nil || all != "0" {
		return true, err
	}
	on, err := g.forwarders(f, links)
	if err != nil {
		return false, err
	}
	shares, err := g.table.devices()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(links, func(l netlink.Link) bool {
		i := l.Attrs().Index
		_, mine := f.mine[i]
		return on[i] && !mine && !f.own[i] && !slices.Contains(shares, l.Attrs().Name)
	}), nil
}

// update follows a change of the switches.
func (g *guard) update() error {
	links, err := g.list()
	if err != nil {
		return err
	}
	for _, f := range g.families {
		if err := g.judge(f, links); err != nil {
			return err
		}
		f.forget(links)
	}
	return g.apply(links)
}

// forget drops interfaces that are gone. An interface that is back has another index.
func (f *guardedFamily) forget(links []netlink.Link) {
	for _, known := range []map[int]bool{f.mine, f.own} {
		maps.DeleteFunc(known, func(i int, _ bool) bool {
			return !slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == i })
		})
	}
}

// apply writes the chain, unless it is as it has to be.
func (g *guard) apply(links []netlink.Link) error {
	shares, err := g.table.devices()
	if err != nil {
		return err
	}
	r := guardRules{shares: shares}
	for _, f := range g.families {
		if f.everywhere {
			if !f.router {
				r.everywhere = append(r.everywhere, f.name)
			}
			continue
		}
		for _, l := range links {
			a := l.Attrs()
			onRouter, mine := f.mine[a.Index]
			if mine && (onRouter || !f.router) && a.Name != g.device {
				r.interfaces = append(r.interfaces, guardedInterface{f.name, a.Index})
			}
		}
	}
	for _, l := range links {
		if l.Type() == "bridge" {
			r.bridges = append(r.bridges, newGuardedBridge(l, links))
		}
	}
	if reflect.DeepEqual(r, g.applied) {
		return nil
	}
	if err := g.table.applyGuard(r); err != nil {
		return err
	}
	g.applied = r
	return nil
}

// routed returns the families, "ipv4" and "ipv6", in which somebody else has made a
// router of the host.
func (g *guard) routed() (names []string) {
	for _, f := range g.families {
		if f.router {
			names = append(names, f.name)
		}
	}
	return names
}
