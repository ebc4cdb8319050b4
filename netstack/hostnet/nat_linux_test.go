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
	"testing"
	"time"
)

// listen listens in n, and tells each client its name and the address that it sees.
func listen(n *Namespace, name, addr string) {
	n.t.Helper()
	var ln net.Listener
	n.Must(n.Do(func() (err error) {
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

// dial connects from n and returns the listener's answer.
func dial(n *Namespace, addr string) (answer string, err error) {
	return dialFrom(n, "", addr)
}

// dialFrom connects from a local address.
func dialFrom(n *Namespace, local, addr string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = n.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
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
		from     *Namespace
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

// TestMasqueradePrefix leaves addresses outside of the prefix as they are.
func TestMasqueradePrefix(t *testing.T) {
	s := newSite(t)
	s.stack.Addr("eth0", "10.77.0.3/24")
	s.stack.Addr("eth0", "10.77.0.4/24")
	s.knownToWorld()
	s.host.Set("ipv4/conf/all/forwarding", "1") // a router lets connections in to the stack
	s.share(ShareConfig{Masquerade: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/31"), netip.MustParsePrefix("192.0.2.1/32")}})
	listen(s.world, "world", ":80")
	for local, want := range map[string]string{
		"10.77.0.2": "world sees 192.0.2.7",
		"10.77.0.3": "world sees 192.0.2.7",
		"10.77.0.4": "world sees 10.77.0.4",
	} {
		if got, err := dialFrom(s.stack, local, "192.0.2.1:80"); got != want {
			t.Errorf("from %s: %q, %v, want %q", local, got, err, want)
		}
	}
	// Towards the stack nothing is masqueraded.
	listen(s.stack, "stack", ":80")
	if got, err := dial(s.world, "10.77.0.2:80"); got != "stack sees 192.0.2.1" {
		t.Errorf("towards the stack: %q, %v", got, err)
	}
}

// knownToWorld gives the world a route to the stack's addresses.
func (s *site) knownToWorld() {
	r := s.world.DefaultRoute("eth0", "192.0.2.7", 0)
	r.Dst = ipNet("10.77.0.0/24")
	s.world.AddRoute(r)
}

func TestRedirect(t *testing.T) {
	s := newSite(t)
	to4, to6 := netip.MustParseAddrPort("10.77.0.2:8443"), netip.MustParseAddrPort("[fd77::2]:8443")
	sh := s.share(ShareConfig{Redirects: []Redirect{{443, to4}}})
	s.host.Must(sh.Redirect(Redirect{443, to6}))
	if err := sh.Redirect(Redirect{443, to4}); !errors.Is(err, ErrInUse) {
		t.Errorf("redirect a port twice: %v", err)
	}
	listen(s.stack, "stack", ":8443")
	listen(s.host, "host", ":443")
	listen(s.host, "host", ":444")
	listen(s.world, "world", ":443")
	check := func(from *Namespace, to, want string) {
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
	s.knownToWorld()
	s.host.Set("ipv4/conf/all/forwarding", "1") // a router
	listen(s.stack, "unredirected", ":443")
	check(s.world, "10.77.0.2:443", "unredirected sees 192.0.2.1") // that the host forwards
	check(s.host, "127.0.0.1:443", "host sees 127.0.0.1")          // loopback
	check(s.host, "[::1]:443", "host sees ::1")
	check(s.stack, "10.77.0.1:443", "host sees 10.77.0.2") // from the stack
	check(s.stack, "[fd77::1]:443", "host sees fd77::2")

	s.host.Must(sh.RemoveRedirect(Redirect{443, to4}))
	if err := sh.RemoveRedirect(Redirect{443, to4}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove what is not there: %v", err)
	}
	check(s.world, "192.0.2.7:443", "host sees 192.0.2.1")
	check(s.world, "[2001:db8::7]:443", "stack sees 2001:db8::1")
	s.host.Must(sh.Close())
	check(s.world, "[2001:db8::7]:443", "host sees 2001:db8::1")
	for _, err := range []error{sh.Redirect(Redirect{443, to4}), sh.RemoveRedirect(Redirect{443, to6}), sh.setUplinks(nil)} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}
