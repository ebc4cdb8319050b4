// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// Addresses returns the present addresses of the host on the device, and those of the
// stack that Open gave it.
func (h *Host) Addresses() (host, stack []netip.Prefix) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.cfg.Host), slices.Clone(h.cfg.Addresses)
}

// Chosen reports whether the addresses are Open's choice.
func (h *Host) Chosen() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cfg.chosen
}

// Choose returns the addresses that Open would choose now, in the network namespace of the
// thread. It changes nothing. What belongs to the device is not taken for used.
func Choose(device string) (host, stack []netip.Prefix, err error) {
	p, err := hostnet.OpenPrefixes()
	if err != nil {
		return nil, nil, err
	}
	defer p.Close()
	used, err := p.Used(device)
	if err != nil {
		return nil, nil, err
	}
	host, stack = defaultAddresses()
	host, stack = rechoose(host, stack, used)
	return host, stack, nil
}

// rechoose returns the best addresses, given the present ones.
func rechoose(host, stack, used []netip.Prefix) (newHost, newStack []netip.Prefix) {
	for i := range host {
		a := addresses{host[i], stack[i]}
		if best := choose(stack[i], used); best != stack[i] {
			a = pair(best)
		}
		newHost, newStack = append(newHost, a.host), append(newStack, a.stack)
	}
	return newHost, newStack
}

// chooseAddresses chooses the addresses unless the Config has some.
func (h *Host) chooseAddresses() (err error) {
	if !h.cfg.chosen {
		return nil
	}
	if h.prefixes, err = hostnet.OpenPrefixes(); err != nil {
		return err
	}
	used, err := h.prefixes.Used(h.cfg.Device.Name)
	if err != nil {
		return err
	}
	used = append(used, h.cfg.Routes...)
	first := h.cfg.Addresses
	h.cfg.Host, h.cfg.Addresses = rechoose(h.cfg.Host, h.cfg.Addresses, used)
	if !slices.Equal(first, h.cfg.Addresses) && h.cfg.Logger != nil {
		h.cfg.Logger.Info("this host uses the first choice of addresses", "first", first, "chosen", h.cfg.Addresses)
	}
	return nil
}

// watchPrefixes chooses again when the host comes to use an address of the choice.
func (h *Host) watchPrefixes() error {
	if h.prefixes == nil {
		return nil
	}
	h.prefixes.Watch(h.Link.Name(), func(p netip.Prefix) {
		if p.IsValid() && !slices.ContainsFunc(h.cfg.Addresses, p.Overlaps) {
			return
		}
		if err := h.renumber(); err != nil && h.cfg.Logger != nil {
			h.cfg.Logger.Warn("this host uses an address of the device, and it could not be changed", "addresses", h.cfg.Addresses, "err", err)
		}
	})
	return nil
}

// renumber chooses again, and changes the addresses if others are better. It belongs to
// the goroutine of the watch, which alone writes them.
func (h *Host) renumber() error {
	used, err := h.prefixes.Used(h.Link.Name())
	if err != nil {
		return err
	}
	old := h.cfg
	cfg := old
	cfg.Host, cfg.Addresses = rechoose(old.Host, old.Addresses, append(used, old.Routes...))
	if slices.Equal(cfg.Addresses, old.Addresses) {
		return nil
	}
	if err := h.changeAddresses(old, cfg); err != nil {
		return err
	}
	if cfg.Logger != nil {
		cfg.Logger.Warn("this host uses an address of the device: connections move to another", "before", old.Addresses, "addresses", cfg.Addresses)
	}
	if cfg.Renumbered != nil {
		cfg.Renumbered(slices.Clone(cfg.Host), slices.Clone(cfg.Addresses))
	}
	return nil
}

// changeAddresses has the new addresses before the old ones go, so that connections have a
// path to move to.
func (h *Host) changeAddresses(old, cfg Config) error {
	added, removed := without(cfg.Addresses, old.Addresses), without(old.Addresses, cfg.Addresses)
	if err := h.prefixes.Renumber(h.Link.Name(), without(cfg.Host, old.Host), nil); err != nil {
		return err
	}
	h.mu.Lock()
	h.cfg = cfg
	h.mu.Unlock()
	var errs []error
	for _, p := range added {
		errs = append(errs, h.NIC.AddAddress(p))
	}
	if h.Share != nil {
		sc := cfg.shareConfig(h.Link.Name())
		errs = append(errs, h.Share.Renumber(sc.Masquerade, sc.Sources, func(a netip.Addr) netip.Addr {
			i := slices.IndexFunc(old.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
			if i < 0 {
				return a
			}
			return cfg.Addresses[i].Addr()
		}))
	}
	before, after := old.defaultRoutes(), cfg.defaultRoutes()
	for _, r := range without(after, before) {
		errs = append(errs, h.NIC.AddRoute(r))
	}
	for _, p := range removed {
		errs = append(errs, h.NIC.RemoveAddress(p.Addr()))
	}
	for _, r := range without(before, after) {
		errs = append(errs, h.NIC.RemoveRoute(r))
	}
	errs = append(errs, h.prefixes.Renumber(h.Link.Name(), nil, without(old.Host, cfg.Host)))
	return errors.Join(errs...)
}

// without returns the elements of a that b does not have.
func without[T netip.Prefix | netstack.Route](a, b []T) []T {
	return slices.DeleteFunc(slices.Clone(a), func(x T) bool { return slices.Contains(b, x) })
}
