// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Share lets the stack behind a TUN device share the addresses of the host. It watches
// the uplinks of the host and has packets forwarded that come in by them. Its methods
// may be called concurrently.
type Share struct {
	states states
	stop   func() // ends the watches

	mu      sync.Mutex
	cfg     ShareConfig // with the present redirects
	uplinks []Uplink    // to the Internet

	// answered are the uplinks of peers that somebody asked for, by interface and family.
	answered []Uplink

	table   *table
	forward *forwarding
	guard   *guard
	closed  bool
}

// NewShare sets up the configured share in the network namespace of the calling thread.
// If it fails, nothing is left of it. The error is an [ErrInUse] if another process has
// a Share of the device. It may also be an [ErrPermission], an [ErrConfig], an
// [errors.ErrUnsupported], or an error of the system.
func NewShare(cfg ShareConfig) (*Share, error) {
	s, err := newShare(cfg)
	if err != nil {
		return nil, fmt.Errorf("hostnet: share with %s: %w", cfg.Device, err)
	}
	return s, nil
}

func newShare(cfg ShareConfig) (_ *Share, err error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg.Masquerade, cfg.Redirects = slices.Clone(cfg.Masquerade), slices.Clone(cfg.Redirects)
	cfg.Sources = slices.Clone(cfg.Sources)
	if cfg.Changed == nil {
		cfg.Changed = func(Setting) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = discard
	}
	// The table comes first, because it tells whether another process has a Share.
	table, err := openTable(cfg.Device)
	if err != nil {
		return nil, err
	}
	s := &Share{cfg: cfg, table: table}
	defer func() {
		if err != nil {
			s.undo()
		}
	}()
	if s.forward, err = openForwarding(cfg.Changed); err != nil {
		return nil, err
	}
	if s.guard, err = openGuard(cfg.Device, table, s.forward, cfg.Logger); err != nil {
		return nil, err
	}
	if err := s.forwardLocked(); err != nil {
		return nil, err
	}
	if err := table.apply(cfg); err != nil {
		return nil, err
	}
	// The uplinks as masqueraded packets see them.
	unfollow, err := Watcher{
		Exclude: []string{cfg.Device}, Logger: cfg.Logger,
		from: s.origin,
	}.Watch(s.follow)
	if err != nil {
		return nil, err
	}
	unguard := s.guard.watch(s.switched)
	s.stop = func() { unfollow(); unguard() }
	return s, nil
}

// switched takes a change of the host's switches of forwarding, or of an interface.
func (s *Share) switched() {
	if err := s.change("guard", s.guard.update); err != nil && !errors.Is(err, net.ErrClosed) {
		s.cfg.Logger.Warn("hostnet: cannot see who has made a router of the host", "device", s.cfg.Device, "error", err)
	}
}

// follow takes a new state of the host. It tells the receivers once packets that come
// in by the uplinks are forwarded.
func (s *Share) follow(st State) {
	if err := s.setUplinks(st.Uplinks); err != nil && !errors.Is(err, net.ErrClosed) {
		s.cfg.Logger.Warn("hostnet: uplinks will not bring answers to the stack", "device", s.cfg.Device, "error", err)
	}
	route := st.Route
	st.Route = func(from, to netip.Addr) (Uplink, bool) {
		up, ok := route(from, to)
		if ok && up.Source != to { // else the peer is the host
			s.answer(up)
		}
		return up, ok
	}
	s.states.send(st)
}

// answer has packets forwarded that come in by the uplink of a peer. It may be none to the
// Internet.
func (s *Share) answer(up Uplink) {
	err := s.change("forward", func() error {
		same := func(o Uplink) bool { return o.Interface == up.Interface && o.Source.Is4() == up.Source.Is4() }
		if slices.ContainsFunc(s.uplinks, same) || slices.ContainsFunc(s.answered, same) {
			return nil
		}
		s.answered = append(s.answered, up)
		return s.forwardLocked()
	})
	if err != nil && !errors.Is(err, net.ErrClosed) {
		s.cfg.Logger.Warn("hostnet: an uplink will not bring answers to the stack", "uplink", up, "error", err)
	}
}

// setUplinks has packets forwarded that come in by uplinks, which are all uplinks of
// the host.
func (s *Share) setUplinks(uplinks []Uplink) error {
	return s.change("forward", func() error {
		s.uplinks = slices.Clone(uplinks)
		return s.forwardLocked()
	})
}

// Watch calls f with the present state before it returns, and again after each change.
// The uplinks are the interfaces by which masqueraded packets may leave; the Share's
// own device is not among them. Packets that come in by a new uplink are forwarded
// before f gets it.
//
// Calls do not overlap. There is no call once stop has returned, or Close. f must call
// neither. The error is a net.ErrClosed after Close.
func (s *Share) Watch(f func(State)) (stop func(), err error) {
	err = s.change("watch", func() error { return nil })
	if err != nil {
		return nil, err
	}
	return s.states.add(f), nil
}

// Routed returns the families, "ipv4" and "ipv6", that the host is a router for because
// somebody else made it one. What the host forwards there is not dropped.
func (s *Share) Routed() (families []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard.routed()
}

// Redirect adds a redirected port. The error is an [ErrInUse] if the port is
// redirected already, an [ErrConfig] if there are MaxRedirects.
func (s *Share) Redirect(r Redirect) error {
	return s.change("redirect", func() error {
		if err := r.check(s.cfg.Redirects); err != nil {
			return err
		}
		if len(s.cfg.Redirects) == MaxRedirects {
			return fmt.Errorf("port %v: %w: there are %d already", r, ErrConfig, MaxRedirects)
		}
		return s.setRedirectsLocked(append(slices.Clone(s.cfg.Redirects), r))
	})
}

// Renumber changes the addresses of the stack: the prefixes to masquerade, the sources, and
// the address of each redirect, to what moved returns for it. Connections from the old addresses have to move: nothing is translated for them.
func (s *Share) Renumber(masquerade []netip.Prefix, sources []netip.Addr, moved func(netip.Addr) netip.Addr) error {
	return s.change("renumber", func() error {
		cfg := s.cfg
		cfg.Masquerade, cfg.Sources, cfg.Redirects = slices.Clone(masquerade), slices.Clone(sources), slices.Clone(cfg.Redirects)
		for i, r := range cfg.Redirects {
			cfg.Redirects[i].To = netip.AddrPortFrom(moved(r.To.Addr()), r.To.Port())
		}
		if err := cfg.Check(); err != nil {
			return err
		}
		if err := s.table.apply(cfg); err != nil {
			return err
		}
		s.cfg = cfg
		return nil
	})
}

// origin says whose packets the uplinks are for: the masqueraded ones.
func (s *Share) origin() origin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return origin{device: s.cfg.Device, sources: s.cfg.Sources, prefixes: s.cfg.Masquerade}
}

// RemoveRedirect removes the redirect of r's port and family. Connections that came by it
// go on. The error is an [fs.ErrNotExist] if there is no such redirect.
func (s *Share) RemoveRedirect(r Redirect) error {
	return s.change("remove redirect", func() error {
		i := slices.IndexFunc(s.cfg.Redirects, func(o Redirect) bool {
			return o.Port == r.Port && o.To.Addr().Is4() == r.To.Addr().Is4()
		})
		if i < 0 {
			return fmt.Errorf("port %v: %w", r, fs.ErrNotExist)
		}
		return s.setRedirectsLocked(slices.Delete(slices.Clone(s.cfg.Redirects), i, i+1))
	})
}

// Close undoes everything. The second call does nothing.
func (s *Share) Close() error {
	s.stop() // not with the mutex held: the watch may be waiting for it
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.undo(); err != nil {
		return fmt.Errorf("hostnet: share with %s: close: %w", s.cfg.Device, err)
	}
	return nil
}

// undo ends forwarding before the rules that limit it.
func (s *Share) undo() error {
	var errs []error
	if s.forward != nil {
		errs = append(errs, s.forward.close())
	}
	if s.guard != nil {
		s.guard.close()
	}
	return errors.Join(append(errs, s.table.close())...)
}

// change calls f with the mutex held, unless the Share is closed.
func (s *Share) change(what string, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := net.ErrClosed
	if !s.closed {
		err = f()
	}
	if err != nil {
		return fmt.Errorf("hostnet: share with %s: %s: %w", s.cfg.Device, what, err)
	}
	return nil
}

func (s *Share) setRedirectsLocked(redirects []Redirect) error {
	before := s.cfg.Redirects
	s.cfg.Redirects = redirects
	err := s.forwardLocked() // it may be the first redirect of its family
	if err == nil {
		err = s.table.apply(s.cfg)
	}
	if err != nil {
		s.cfg.Redirects = before
	}
	return err
}

// forwardLocked turns forwarding on for the device and the uplinks, for the families in
// use.
func (s *Share) forwardLocked() error {
	is4, is6 := families(s.cfg.Masquerade, s.cfg.Redirects)
	uplinks := func(is4 bool) []Uplink {
		return slices.DeleteFunc(slices.Concat(s.uplinks, s.answered), func(u Uplink) bool { return u.Source.Is4() != is4 })
	}
	var errs []error
	if is4 {
		errs = append(errs, s.guard.enable("ipv4", uplinks(true)))
	}
	if is6 {
		errs = append(errs, s.guard.enable("ipv6", uplinks(false)))
	}
	return errors.Join(errs...)
}

// explainDevice adds the remedy to the error of a device without settings.
func explainDevice(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (%w): no such device, or IPv6 is off: open the device first, and leave IPv6 out if the host has none", ErrConfig, err)
	}
	return err
}
