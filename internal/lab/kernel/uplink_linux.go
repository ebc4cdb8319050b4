// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"net/netip"
	"sync"
)

const (
	// uplinkTable is the routing table of the first uplink.
	uplinkTable = 100
	// A socket without an address takes the default route with the lowest metric. No
	// two routes may have the same metric: one would replace the other.
	preferredMetric = 100
	otherMetric     = 200 // and the number of the uplink
)

// Failure is a way for an uplink to be gone.
type Failure int

const (
	// AddressGone takes the address and its routes from the device, as when a
	// Wi-Fi network is left.
	AddressGone Failure = iota + 1
	// LinkDown sets the device down, as when a cable is pulled.
	LinkDown
	// Blackhole loses all packets. The client sees nothing of it.
	Blackhole
)

func (f Failure) String() string {
	switch f {
	case AddressGone:
		return "address gone"
	case LinkDown:
		return "link down"
	case Blackhole:
		return "blackhole"
	default:
		return fmt.Sprintf("Failure(%d)", int(f))
	}
}

// Uplink is one of the client's two ways to the Internet.
type Uplink struct {
	ns    *Namespace
	dev   string
	lan   subnet
	wan   subnet
	table int
	wire  *Wire

	mu      sync.Mutex
	metric  int
	failure Failure // zero while it is up
}

// Dev is the name of the device in the client.
func (u *Uplink) Dev() string { return u.dev }

// Table is the routing table that leads over the uplink and no other, for
// [Namespace.AddRule].
func (u *Uplink) Table() int { return u.table }

// Wire is the wire between the client and the NAT. Its direction AtoB goes to the
// NAT.
func (u *Uplink) Wire() *Wire { return u.wire }

// Addr4 is the client's IPv4 address on the uplink, with the prefix.
func (u *Uplink) Addr4() netip.Prefix { return u.lan.host()[0] }

// Addr6 is the client's IPv6 address on the uplink, with the prefix.
func (u *Uplink) Addr6() netip.Prefix { return u.lan.host()[1] }

// Gateway4 is the NAT's IPv4 address on the uplink.
func (u *Uplink) Gateway4() netip.Addr { return u.lan.router()[0].Addr() }

// Gateway6 is the NAT's IPv6 address on the uplink.
func (u *Uplink) Gateway6() netip.Addr { return u.lan.router()[1].Addr() }

// Public4 is the address that the Internet sees the client's IPv4 packets come from:
// the NAT's.
func (u *Uplink) Public4() netip.Addr { return u.wan.host()[0].Addr() }

// Down takes the uplink away, until Up. An uplink that is down already is an error.
func (u *Uplink) Down(how Failure) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.failure != 0 {
		return fmt.Errorf("kernel: uplink %s is down already (%v): call Up first", u.dev, u.failure)
	}
	switch how {
	case AddressGone:
		if err := u.removeAddresses(); err != nil {
			return err
		}
	case LinkDown:
		if err := u.ns.SetDown(u.dev); err != nil {
			return err
		}
	case Blackhole:
		u.wire.SetDown(true)
	default:
		return fmt.Errorf("kernel: uplink %s: %v: give AddressGone, LinkDown or Blackhole", u.dev, how)
	}
	u.failure = how
	return nil
}

// Up brings the uplink back, with its addresses and routes. It is no error if it is
// there.
func (u *Uplink) Up() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wire.SetDown(false)
	if err := u.ns.SetUp(u.dev); err != nil {
		return err
	}
	if err := u.configure(); err != nil {
		return err
	}
	u.failure = 0
	return nil
}

// configure gives the device its addresses and routes. It leaves the ones that are
// there.
func (u *Uplink) configure() error {
	for _, a := range u.lan.host() {
		if err := u.ns.AddAddress(u.dev, a); err != nil {
			return err
		}
	}
	for _, r := range u.routes() {
		if err := u.ns.AddRoute(r); err != nil {
			return err
		}
	}
	return nil
}

// routes are the default routes: of the host, and of the uplink's own table.
func (u *Uplink) routes() []Route {
	var routes []Route
	for i, to := range []netip.Prefix{Default4, Default6} {
		via := u.lan.router()[i].Addr()
		routes = append(routes,
			Route{To: to, Via: via, Dev: u.dev, Metric: u.metric},
			Route{To: to, Via: via, Dev: u.dev, Metric: u.metric, Table: u.table})
	}
	return routes
}

func (u *Uplink) removeAddresses() error {
	for _, r := range u.routes() {
		if err := u.ns.RemoveRoute(r); err != nil {
			return err
		}
	}
	for _, a := range u.lan.host() {
		if err := u.ns.RemoveAddress(u.dev, a); err != nil {
			return err
		}
	}
	return nil
}

// setMetric moves the default routes to another metric, without a moment in which
// there are none.
func (u *Uplink) setMetric(metric int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if metric == u.metric {
		return nil
	}
	old := u.routes()
	u.metric = metric
	if u.failure == AddressGone || u.failure == LinkDown {
		return nil // Up will see to it
	}
	if err := u.configure(); err != nil {
		return err
	}
	for _, r := range old {
		if err := u.ns.RemoveRoute(r); err != nil {
			return err
		}
	}
	return nil
}

// Prefer makes uplink i, 0 or 1, the one that the client takes for packets without a
// source address of their own.
func (t *Topology) Prefer(i int) error {
	if i < 0 || i >= len(t.Uplinks) {
		return fmt.Errorf("kernel: no uplink %d: give 0 or 1", i)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	other := 1 - i
	if err := t.Uplinks[other].setMetric(otherMetric + other); err != nil {
		return err
	}
	return t.Uplinks[i].setMetric(preferredMetric)
}
