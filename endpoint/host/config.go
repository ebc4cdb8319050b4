// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// Config configures [Open]. The zero value is a good configuration for a stack that
// talks to the host alone.
type Config struct {
	// Device is the TUN device between the host and the stack. A stack with Forwarding
	// has the driver tun.Water.
	Device tun.Config

	// Host are the addresses of the host on the device, Addresses those of the stack,
	// each with the length of the prefix that both share. If both fields are empty, Open
	// chooses addresses that the host does not use, DefaultHost and DefaultAddresses if it
	// can. It chooses others when the host comes to use these.
	Host, Addresses []netip.Prefix
	chosen          bool // Open's choice

	// Routes are further prefixes that the host sends to the stack.
	Routes []netip.Prefix

	// Masquerade lets the stack out by the host's uplinks, behind the addresses of the
	// host. False means that the network needs a route to Addresses.
	Masquerade bool

	// Ports are TCP ports of the host's own addresses that lead to the same ports of the
	// stack: to its first address of each family.
	Ports []uint16

	// Redirect opens a [hostnet.Share] even without Ports and Masquerade, so that the
	// program can redirect ports later.
	Redirect bool

	// Renumbered is called with the new addresses after Open's choice has changed. Calls
	// do not overlap. It must not call Close. Nil means that nobody is told.
	Renumbered func(host, stack []netip.Prefix)

	// Changed is called with each setting of the host before it is changed, so that
	// another process can undo it if this one is killed. See [hostnet.ShareConfig].
	// Nil means that nobody is told.
	Changed func(hostnet.Setting)

	// Stack configures the stack. A nil Logger there means the one here.
	Stack netstack.Config

	// Policy decides when connections move. Nil means endpoint.Handover.
	Policy roam.Policy

	// Moved is called after each attempt to move a connection, as
	// endpoint.RoamerConfig.Observe. Nil means that nobody is told.
	Moved func(endpoint.RoamEvent)

	// UplinksChanged is called with the present uplinks before Open returns, and after
	// each change. Calls do not overlap. It must not call Close. Nil means that nobody is
	// told.
	UplinksChanged func(roam.Change)

	// Logger gets what the parts of the Host log. Nil means no logging.
	Logger *slog.Logger
}

// WithDefaults returns c with its empty fields filled in, the addresses with the first
// choice. Open may still choose others. It returns an error if c is wrong on
// every host. The error is a [netstack.ErrConfig], or a [netstack.ErrInUse] if a port is
// given twice. [Open] calls WithDefaults before it touches the host.
//
// WithDefaults does not check c.Stack. Open makes the stack first, and that checks it.
func (c Config) WithDefaults() (Config, error) {
	if len(c.Host) == 0 && len(c.Addresses) == 0 {
		c.Host, c.Addresses = defaultAddresses()
		c.chosen = true
	}
	if c.Stack.Logger == nil {
		c.Stack.Logger = c.Logger
	}
	if err := c.Device.Check(); err != nil {
		return c, err
	}
	if c.Stack.Forwarding {
		if c.Device.Driver == tun.VNetHdr {
			return c, fmt.Errorf("driver %v: %w: a stack that forwards needs %v", c.Device.Driver, netstack.ErrConfig, tun.Water)
		}
		c.Device.Driver = tun.Water
	}
	if err := c.checkAddresses(); err != nil {
		return c, err
	}
	if err := c.checkRoutes(); err != nil {
		return c, err
	}
	if c.shares() {
		return c, c.shareConfig(cmp.Or(c.Device.Name, anyDevice)).Check()
	}
	return c, nil
}

// anyDevice stands for a name that the system chooses later.
const anyDevice = "tun0"

// defaultAddresses leaves IPv6 out where the host has it turned off.
func defaultAddresses() (host, stack []netip.Prefix) {
	off, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	if err == nil && string(off) == "0\n" {
		return DefaultHost, DefaultAddresses
	}
	return DefaultHost[:1], DefaultAddresses[:1]
}

func (c Config) checkAddresses() error {
	if len(c.Addresses) == 0 {
		return fmt.Errorf("%w: the stack has no address: give one, or leave out the host's as well", netstack.ErrConfig)
	}
	if len(c.Host) == 0 {
		return fmt.Errorf("%w: the host has no address on the device: give one, or leave out the stack's as well", netstack.ErrConfig)
	}
	all := slices.Concat(c.Host, c.Addresses)
	for i, p := range all {
		a := p.Addr()
		if !unicast(p) || a.IsUnspecified() || p.Bits() == 0 {
			return fmt.Errorf("%w: address %v: give an address with a prefix length, such as 10.77.0.2/24", netstack.ErrConfig, p)
		}
		if slices.ContainsFunc(all[:i], func(o netip.Prefix) bool { return o.Addr() == a }) {
			return fmt.Errorf("%w: address %v is given twice: choose another, for the host or for the stack", netstack.ErrConfig, a)
		}
	}
	for _, p := range c.Addresses {
		if !c.hasFamily(p) {
			return fmt.Errorf("%w: address %v: the host has no address of that family on the device: give one", netstack.ErrConfig, p.Addr())
		}
		holds := func(o netip.Prefix) bool { return o.Contains(p.Addr()) }
		if !slices.ContainsFunc(c.Host, holds) && !slices.ContainsFunc(c.Routes, holds) {
			return fmt.Errorf("%w: address %v: the host does not route it to the device: give a route to it", netstack.ErrConfig, p.Addr())
		}
	}
	return nil
}

// unicast reports whether the addresses in p can belong to another host.
func unicast(p netip.Prefix) bool {
	a := p.Addr()
	return p.IsValid() && !a.Is4In6() && !a.IsMulticast() && !a.IsLoopback()
}

// hasFamily reports whether the host has an address of p's family on the device.
func (c Config) hasFamily(p netip.Prefix) bool {
	return slices.ContainsFunc(c.Host, func(h netip.Prefix) bool { return h.Addr().Is4() == p.Addr().Is4() })
}

func (c Config) checkRoutes() error {
	for i, p := range c.Routes {
		switch {
		case !unicast(p):
			return fmt.Errorf("%w: route %v: give an IPv4 or IPv6 prefix that the stack can have addresses of", netstack.ErrConfig, p)
		case !c.hasFamily(p):
			return fmt.Errorf("%w: route %v: the host has no address of that family on the device: give one", netstack.ErrConfig, p)
		case c.Masquerade && p.Bits() == 0:
			return fmt.Errorf("%w: route %v: with masquerade the host's uplinks are the way out, not the stack: leave out one of the two", netstack.ErrConfig, p)
		}
		same := func(o netip.Prefix) bool { return o.Masked() == p.Masked() }
		if slices.ContainsFunc(c.Routes[:i], same) || slices.ContainsFunc(c.Host, same) {
			return fmt.Errorf("%w: route %v: the host has it already: leave it out", netstack.ErrConfig, p)
		}
	}
	return nil
}

// shares reports whether the host does anything for the stack.
func (c Config) shares() bool { return c.Masquerade || c.Redirect || len(c.Ports) > 0 }

// shareConfig returns the share of the host's network for the stack behind a device.
func (c Config) shareConfig(device string) hostnet.ShareConfig {
	sc := hostnet.ShareConfig{Device: device, Changed: c.Changed, Logger: c.Logger}
	if c.Masquerade {
		for _, p := range c.Addresses {
			sc.Sources = append(sc.Sources, p.Addr())
		}
		for _, p := range slices.Concat(c.Addresses, c.Routes) {
			if p = p.Masked(); !slices.Contains(sc.Masquerade, p) {
				sc.Masquerade = append(sc.Masquerade, p)
			}
		}
	}
	for _, is4 := range []bool{true, false} {
		i := slices.IndexFunc(c.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == is4 })
		if i < 0 {
			continue
		}
		for _, port := range c.Ports {
			sc.Redirects = append(sc.Redirects, hostnet.Redirect{Port: port, To: netip.AddrPortFrom(c.Addresses[i].Addr(), port)})
		}
	}
	return sc
}

// defaultRoutes of the stack lead to the host, for each family that the host has an
// address of.
func (c Config) defaultRoutes() (routes []netstack.Route) {
	for _, dst := range []netip.Prefix{netstack.Default4, netstack.Default6} {
		i := slices.IndexFunc(c.Host, func(p netip.Prefix) bool { return p.Addr().Is4() == dst.Addr().Is4() })
		if i >= 0 {
			routes = append(routes, netstack.Route{Destination: dst, Gateway: c.Host[i].Addr()})
		}
	}
	return routes
}
