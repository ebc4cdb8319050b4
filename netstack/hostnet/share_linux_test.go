// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
)

const device = "mnet0"

// site is a host with an uplink, up0, to the world, and a TUN device, for which a
// link to a third namespace stands in. That has the kernel's TCP for a stack.
//
//	stack: 10.77.0.2, fd77::2 -- mnet0: 10.77.0.1, fd77::1 [host] up0: 192.0.2.7, 2001:db8::7 -- world: 192.0.2.1, 2001:db8::1
type site struct {
	stack, host, world *namespace
}

func newSite(t testing.TB) *site {
	s := &site{newNamespace(t), newNamespace(t), newNamespace(t)}
	s.host.connect(device, s.stack, "eth0")
	s.host.connect("up0", s.world, "eth0")
	for _, a := range []struct {
		n            *namespace
		name, prefix string
	}{
		{s.stack, "eth0", "10.77.0.2/24"}, {s.stack, "eth0", "fd77::2/64"},
		{s.host, device, "10.77.0.1/24"}, {s.host, device, "fd77::1/64"},
		{s.host, "up0", "192.0.2.7/24"}, {s.host, "up0", "2001:db8::7/64"},
		{s.world, "eth0", "192.0.2.1/24"}, {s.world, "eth0", "2001:db8::1/64"},
	} {
		a.n.addr(a.name, a.prefix)
	}
	s.stack.addRoute(s.stack.defaultRoute("eth0", "10.77.0.1", 0))
	s.stack.addRoute(s.stack.defaultRoute("eth0", "fd77::1", 0))
	s.host.addRoute(s.host.defaultRoute("up0", "192.0.2.1", 0))
	s.host.addRoute(s.host.defaultRoute("up0", "2001:db8::1", 0))
	return s
}

// uplinks are those of the host.
func (s *site) uplinks() []Uplink {
	ups, err := readUplinks(s.host.h, []string{device})
	s.host.must(err)
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
	s.host.must(s.host.do(func() (err error) {
		sh, err = NewShare(cfg)
		return err
	}))
	t.Cleanup(func() {
		if err := sh.Close(); err != nil {
			t.Error(err)
		}
	})
	s.host.must(sh.Forward(s.uplinks()))
	return sh
}

// listen listens in n, and tells each client its name and the address that it sees.
func listen(n *namespace, name, addr string) {
	n.t.Helper()
	var ln net.Listener
	n.must(n.do(func() (err error) {
		ln, err = net.Listen("tcp", addr)
		return err
	}))
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "%s sees %v", name, c.RemoteAddr().(*net.TCPAddr).IP)
			c.Close()
		}
	}()
	n.t.Cleanup(func() { ln.Close(); <-served })
}

// dial connects from n and returns what the listener tells.
func dial(n *namespace, addr string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = n.do(func() error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		b, err := io.ReadAll(c)
		answer = string(b)
		return err
	})
	return answer, err
}

func TestMasquerade(t *testing.T) {
	s := newSite(t)
	s.share(ShareConfig{Masquerade: bothFamilies})
	listen(s.world, "world", ":80")
	listen(s.stack, "stack", ":80")
	for _, c := range []struct {
		from     *namespace
		to, want string
	}{
		{s.stack, "192.0.2.1:80", "world sees 192.0.2.7"},
		{s.stack, "[2001:db8::1]:80", "world sees 2001:db8::7"},
		// The host's own connections to the stack are not translated.
		{s.host, "10.77.0.2:80", "stack sees 10.77.0.1"},
		{s.host, "[fd77::2]:80", "stack sees fd77::1"},
	} {
		if got, err := dial(c.from, c.to); got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.to, got, err, c.want)
		}
	}
}

func TestRedirect(t *testing.T) {
	s := newSite(t)
	to4, to6 := netip.MustParseAddrPort("10.77.0.2:8443"), netip.MustParseAddrPort("[fd77::2]:8443")
	sh := s.share(ShareConfig{Redirects: []Redirect{{443, to4}}})
	s.host.must(sh.Redirect(Redirect{443, to6}))
	if err := sh.Redirect(Redirect{443, to4}); !errors.Is(err, ErrInUse) {
		t.Errorf("redirect a port twice: %v", err)
	}
	listen(s.stack, "stack", ":8443")
	listen(s.host, "host", ":443")
	listen(s.host, "host", ":444")
	listen(s.world, "world", ":443")
	check := func(from *namespace, to, want string) {
		t.Helper()
		if got, err := dial(from, to); got != want {
			t.Errorf("%s: %q, %v, want %q", to, got, err, want)
		}
	}
	check(s.world, "192.0.2.7:443", "stack sees 192.0.2.1")
	check(s.world, "[2001:db8::7]:443", "stack sees 2001:db8::1")
	check(s.host, "192.0.2.7:443", "stack sees 192.0.2.7")
	check(s.host, "[2001:db8::7]:443", "stack sees 2001:db8::7")

	check(s.world, "192.0.2.7:444", "host sees 192.0.2.1") // another port
	check(s.host, "192.0.2.1:443", "world sees 192.0.2.7") // another host
	check(s.host, "127.0.0.1:443", "host sees 127.0.0.1")  // loopback
	check(s.host, "[::1]:443", "host sees ::1")
	check(s.stack, "10.77.0.1:443", "host sees 10.77.0.2") // from the stack
	check(s.stack, "[fd77::1]:443", "host sees fd77::2")

	s.host.must(sh.RemoveRedirect(Redirect{443, to4}))
	if err := sh.RemoveRedirect(Redirect{443, to4}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove what is not there: %v", err)
	}
	check(s.world, "192.0.2.7:443", "host sees 192.0.2.1")
	check(s.world, "[2001:db8::7]:443", "stack sees 2001:db8::1")
	s.host.must(sh.Close())
	check(s.world, "[2001:db8::7]:443", "host sees 2001:db8::1")
	for _, err := range []error{sh.Redirect(Redirect{443, to4}), sh.RemoveRedirect(Redirect{443, to6}), sh.Forward(nil)} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// tables returns the names of all tables of the host.
func (s *site) tables() (names []string) {
	s.host.must(s.host.do(func() error {
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
		return s.host.do(func() error {
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
	listen(s.world, "world", ":80")
	if got, err := dial(s.stack, "192.0.2.1:80"); got != "world sees 192.0.2.7" {
		t.Errorf("the first one no longer works: %q, %v", got, err)
	}
	s.host.must(sh.Close())
	if left := s.tables(); len(left) != 0 {
		t.Errorf("tables %q are left", left)
	}
	if err := try(ShareConfig{Device: device}); err != nil {
		t.Errorf("after the first is closed: %v", err)
	}
}

// TestShareStale replaces a table that nobody owns, as a process that was killed
// leaves it on a kernel without owners.
func TestShareStale(t *testing.T) {
	s := newSite(t)
	s.host.must(s.host.do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		stale := c.AddTable(&nftables.Table{Name: tablePrefix + device, Family: nftables.TableFamilyINet})
		c.AddChain(&nftables.Chain{Name: "stale", Table: stale})
		return c.Flush()
	}))
	s.share(ShareConfig{Masquerade: bothFamilies})
	s.host.must(s.host.do(func() error {
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
	err := s.host.do(func() error {
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

func TestBlocked(t *testing.T) {
	s := newSite(t)
	s.share(ShareConfig{Masquerade: bothFamilies})
	blocked := func() (reason string) {
		s.host.must(s.host.do(func() (err error) {
			reason, err = Blocked(device)
			return err
		}))
		return reason
	}
	if reason := blocked(); reason != "" {
		t.Errorf("without a firewall: %s", reason)
	}
	for _, c := range []struct {
		hook   *nftables.ChainHook
		policy nftables.ChainPolicy
		want   bool
	}{
		{nftables.ChainHookInput, nftables.ChainPolicyDrop, false},
		{nftables.ChainHookForward, nftables.ChainPolicyAccept, false},
		{nftables.ChainHookForward, nftables.ChainPolicyDrop, true},
	} {
		s.host.must(s.host.do(func() error {
			conn, err := nftables.New()
			if err != nil {
				return err
			}
			firewall := conn.AddTable(&nftables.Table{Name: "firewall", Family: nftables.TableFamilyIPv4})
			conn.AddChain(&nftables.Chain{
				Name: fmt.Sprintf("hook%d-%d", *c.hook, c.policy), Table: firewall, Type: nftables.ChainTypeFilter,
				Hooknum: c.hook, Priority: nftables.ChainPriorityFilter, Policy: &c.policy,
			})
			return conn.Flush()
		}))
		if reason := blocked(); (reason != "") != c.want || c.want && !strings.Contains(reason, "nft insert rule ip firewall hook2-0 iifname mnet0 accept") {
			t.Errorf("hook %d, policy %d: %q", *c.hook, c.policy, reason)
		}
	}
}
