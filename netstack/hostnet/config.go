// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/mnet-dev/mnet/netstack/internal/ifname"
)

const (
	// MaxRedirects and MaxMasquerade stop the first packet of each connection from
	// being compared with too many rules.
	MaxRedirects  = 64
	MaxMasquerade = 64
)

// ShareConfig configures [NewShare].
type ShareConfig struct {
	// Device is the name of the TUN device that the stack is behind. It must exist.
	Device string

	// Masquerade holds the addresses of the stack, whose packets leave with the
	// host's address over any other interface.
	Masquerade []netip.Prefix

	// Sources are the addresses of the stack. The kernel's rules may be about them, so it
	// is asked for the route of the first one of each family. Without one, it is asked for
	// another address of Masquerade.
	Sources []netip.Addr

	// Redirects are ports of the host's own addresses that lead to the stack.
	Redirects []Redirect

	// Changed is called with each setting before it is changed. NewShare and Redirect call
	// it, and the Share's own goroutine when an uplink appears. Calls do not overlap. It
	// must not call the Share. Nil means that nobody is told.
	Changed func(Setting)

	// Logger gets uplinks that cannot be used (warn). Nil means no logging.
	Logger *slog.Logger
}

var discard = slog.New(slog.DiscardHandler)

// Redirect leads a TCP port of all the host's own addresses of a family to the
// stack. The host itself gets there, too, but not by a loopback address.
type Redirect struct {
	Port uint16
	To   netip.AddrPort // in the stack; says the family
}

// String returns "443 to 10.77.0.2:443".
func (r Redirect) String() string { return fmt.Sprintf("%d to %v", r.Port, r.To) }

// Check returns an error if c is wrong on every system. The error is an [ErrConfig], or
// an [ErrInUse] if two redirects have the same port.
func (c ShareConfig) Check() error {
	if err := ifname.Check(c.Device); err != nil {
		return err
	}
	switch {
	case len(c.Redirects) > MaxRedirects:
		return fmt.Errorf("%d redirected ports: %w: give at most %d", len(c.Redirects), ErrConfig, MaxRedirects)
	case len(c.Masquerade) > MaxMasquerade:
		return fmt.Errorf("%d prefixes to masquerade: %w: give at most %d", len(c.Masquerade), ErrConfig, MaxMasquerade)
	}
	for _, p := range c.Masquerade {
		if !p.IsValid() || p.Addr().Is4In6() || p.Bits() == 0 {
			return fmt.Errorf("masquerade %v: %w: give an IPv4 or IPv6 prefix of the stack", p, ErrConfig)
		}
	}
	for i, r := range c.Redirects {
		if err := r.check(c.Redirects[:i]); err != nil {
			return err
		}
	}
	return nil
}

// check returns an error if r is wrong, or cannot be added to others.
func (r Redirect) check(others []Redirect) error {
	to := r.To.Addr()
	if r.Port == 0 || r.To.Port() == 0 || !to.IsValid() || to.Is4In6() || to.IsUnspecified() || to.Zone() != "" {
		return fmt.Errorf("redirect port %v: %w: give a port, and an address and port of the stack", r, ErrConfig)
	}
	for _, o := range others {
		if o.Port == r.Port && o.To.Addr().Is4() == to.Is4() {
			return fmt.Errorf("redirect port %v: %w: it goes to %v", r, ErrInUse, o.To)
		}
	}
	return nil
}

// families says which families the stack has to do with.
func families(masquerade []netip.Prefix, redirects []Redirect) (is4, is6 bool) {
	for _, p := range masquerade {
		is4, is6 = is4 || p.Addr().Is4(), is6 || p.Addr().Is6()
	}
	for _, r := range redirects {
		is4, is6 = is4 || r.To.Addr().Is4(), is6 || r.To.Addr().Is6()
	}
	return is4, is6
}
