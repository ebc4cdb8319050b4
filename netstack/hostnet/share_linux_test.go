// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/nftables"
)

const device = "mnet0"

// site is a host with an uplink, up0, to the world, and a TUN device, for which a
// link to a third namespace stands in. That has the kernel's TCP for a stack.
//
//	stack: 10.77.0.2, fd77::2 -- mnet0: 10.77.0.1, fd77::1 [host] up0: 192.0.2.7, 2001:db8::7 -- world: 192.0.2.1, 2001:db8::1
type site struct {
	stack, host, world *Namespace
}

func newSite(t testing.TB) *site {
	s := &site{NewNamespace(t), NewNamespace(t), NewNamespace(t)}
	s.host.Connect(device, s.stack, "eth0")
	s.host.Connect("up0", s.world, "eth0")
	for _, a := range []struct {
		n            *Namespace
		name, prefix string
	}{
		{s.stack, "eth0", "10.77.0.2/24"}, {s.stack, "eth0", "fd77::2/64"},
		{s.host, device, "10.77.0.1/24"}, {s.host, device, "fd77::1/64"},
		{s.host, "up0", "192.0.2.7/24"}, {s.host, "up0", "2001:db8::7/64"},
		{s.world, "eth0", "192.0.2.1/24"}, {s.world, "eth0", "2001:db8::1/64"},
	} {
		a.n.Addr(a.name, a.prefix)
	}
	s.stack.AddRoute(s.stack.DefaultRoute("eth0", "10.77.0.1", 0))
	s.stack.AddRoute(s.stack.DefaultRoute("eth0", "fd77::1", 0))
	s.host.AddRoute(s.host.DefaultRoute("up0", "192.0.2.1", 0))
	s.host.AddRoute(s.host.DefaultRoute("up0", "2001:db8::1", 0))
	return s
}

// uplinks returns the uplinks of the host.
func (s *site) uplinks() []Uplink {
	ups, _, err := readUplinks(s.host.h, Watcher{Exclude: []string{device}})
	s.host.Must(err)
	if len(ups) != 2 {
		s.host.t.Fatalf("uplinks %v", ups)
	}
	return ups
}

var bothFamilies = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32"), netip.MustParsePrefix("fd77::2/128")}

// share opens a Share that ends with the test.
func (s *site) share(cfg ShareConfig) *Share {
	t := s.host.t
	t.Helper()
	cfg.Device = device
	var sh *Share
	s.host.Must(s.host.Do(func() (err error) {
		sh, err = NewShare(cfg)
		return err
	}))
	t.Cleanup(func() {
		if err := sh.Close(); err != nil {
			t.Error(err)
		}
	})
	return sh
}

// tables returns the names of all tables of the host.
func (s *site) tables() (names []string) {
	s.host.Must(s.host.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		all, err := c.ListTables()
		for _, t := range all {
			names = append(names, t.Name)
		}
		return err
	}))
	return names
}

func TestShareInUse(t *testing.T) {
	s := newSite(t)
	sh := s.share(ShareConfig{Masquerade: bothFamilies})
	try := func(cfg ShareConfig) error {
		return s.host.Do(func() error {
			second, err := NewShare(cfg)
			if err == nil {
				err = second.Close()
			}
			return err
		})
	}
	if err := try(ShareConfig{Device: device}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "mnet-mnet0") {
		t.Errorf("a second one: %v", err)
	}
	if err := try(ShareConfig{Device: "up0"}); err != nil {
		t.Errorf("of another device: %v", err)
	}
	s.host.Must(s.host.Do(func() error { // as a firewall does when it is loaded anew
		c, err := nftables.New()
		if err != nil {
			return err
		}
		c.FlushRuleset()
		return c.Flush()
	}))
	listen(s.world, "world", ":80")
	if got, err := dial(s.stack, "192.0.2.1:80"); got != "world sees 192.0.2.7" {
		t.Errorf("the first one no longer works: %q, %v", got, err)
	}
	s.host.Must(sh.Close())
	if left := s.tables(); len(left) != 0 {
		t.Errorf("tables %q are left", left)
	}
	if err := try(ShareConfig{Device: device}); err != nil {
		t.Errorf("after the first is closed: %v", err)
	}
}

// TestShareMany has as many rules as may be.
func TestShareMany(t *testing.T) {
	s := newSite(t)
	to := netip.MustParseAddrPort("10.77.0.2:8443")
	var cfg ShareConfig
	for i := range MaxRedirects - 1 {
		cfg.Redirects = append(cfg.Redirects, Redirect{uint16(1000 + i), to})
	}
	for i := range MaxMasquerade {
		a := netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: byte(i)}) // IPv6 makes the larger rules
		cfg.Masquerade = append(cfg.Masquerade, netip.PrefixFrom(a, 128))
	}
	sh := s.share(cfg)
	last := Redirect{443, netip.MustParseAddrPort("[fd77::2]:8443")}
	s.host.Must(sh.Redirect(last))
	if err := sh.Redirect(Redirect{444, to}); !errors.Is(err, ErrConfig) {
		t.Errorf("one too many: %v", err)
	}
	listen(s.stack, "stack", ":8443")
	for _, addr := range []string{"192.0.2.7:1000", fmt.Sprint("192.0.2.7:", 1000+MaxRedirects-2), "[2001:db8::7]:443"} {
		if got, err := dial(s.world, addr); !strings.HasPrefix(got, "stack") {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
}

// TestUnknownFlag asks the kernel for a table with an unknown flag. The owner flag is
// unknown before Linux 5.12.
func TestUnknownFlag(t *testing.T) {
	n := NewNamespace(t)
	n.Must(n.Do(func() error {
		conn, sock, err := dialNFT()
		if err != nil {
			return err
		}
		defer conn.CloseLasting()
		table := &table{Table: &nftables.Table{Name: "future", Family: nftables.TableFamilyINet}}
		if err := table.createTable(sock, 1<<31); !unknownFlag(err) {
			t.Errorf("error %v", err)
		}
		return table.createTable(sock, 0)
	}))
}

// TestShareStale replaces a table that nobody owns, as a process that was killed
// leaves it on a kernel without owners.
func TestShareStale(t *testing.T) {
	s := newSite(t)
	s.host.Must(s.host.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		stale := c.AddTable(&nftables.Table{Name: tablePrefix + device, Family: nftables.TableFamilyINet})
		c.AddChain(&nftables.Chain{Name: "stale", Table: stale})
		return c.Flush()
	}))
	s.share(ShareConfig{Masquerade: bothFamilies})
	s.host.Must(s.host.Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		chains, err := c.ListChains()
		for _, ch := range chains {
			if ch.Name == "stale" {
				t.Error("the old table is still there")
			}
		}
		return err
	}))
}

func TestShareUnprivileged(t *testing.T) {
	s := newSite(t)
	err := s.host.withoutNetAdmin(func() error {
		_, err := NewShare(ShareConfig{Device: device, Masquerade: bothFamilies})
		return err
	})
	if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Error(err)
	}
	err = s.host.withoutNetAdmin(func() error {
		_, err := Blocked(device)
		return err
	})
	if !errors.Is(err, ErrPermission) {
		t.Error(err)
	}
}

// TestShareNoDevice fails half-way.
func TestShareNoDevice(t *testing.T) {
	s := newSite(t)
	err := s.host.Do(func() error {
		_, err := NewShare(ShareConfig{Device: "mnet7", Masquerade: bothFamilies})
		return err
	})
	if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "open the device first") {
		t.Error(err)
	}
	if left := s.tables(); len(left) != 0 {
		t.Errorf("tables %q are left", left)
	}
}

// TestNothingLeft opens and closes everything, many times.
func TestNothingLeft(t *testing.T) {
	s := newSite(t)
	descriptors := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		s.host.Must(err)
		return len(all)
	}
	cycle := func() {
		s.host.Must(s.host.Do(func() error {
			sh, err := NewShare(ShareConfig{Device: device, Masquerade: bothFamilies})
			if err != nil {
				return err
			}
			defer sh.Close()
			if _, err := NewShare(ShareConfig{Device: device}); !errors.Is(err, ErrInUse) {
				t.Error(err)
			}
			stop, err := sh.Watch(func(State) {})
			if err == nil {
				stop()
			}
			return err
		}))
	}
	cycle() // opens the descriptors that the runtime opens once
	before := descriptors()
	for range 20 {
		cycle()
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}
