// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// everything is a configuration that has the host do all that it can.
func everything() Config {
	return Config{
		Device:     tun.Config{Name: "mnet0"},
		Routes:     []netip.Prefix{netip.MustParsePrefix("10.78.0.0/24")},
		Masquerade: true,
		Ports:      []uint16{80},
	}
}

// TestOpen opens a Host, talks to it from the host's own kernel, and closes it.
func TestOpen(t *testing.T) {
	site(t)
	check := unchanged(t)
	cfg := everything()
	var told []roam.Change
	cfg.UplinksChanged = func(ch roam.Change) { told = append(told, ch) }
	h, err := Open(t.Context(), cfg)
	must(t, err)

	up := roam.Uplink{Local: netip.MustParseAddr("10.77.0.2"), Via: roam.Route{
		Interface: "up0", Gateway: netip.MustParseAddr("192.0.2.1"), Source: netip.MustParseAddr("192.0.2.7"),
	}}
	if got := h.Uplinks(); !slices.Equal(got, []roam.Uplink{up}) {
		t.Errorf("uplinks %v, want %v", got, up)
	}
	if len(told) != 1 || !slices.Equal(told[0].Uplinks, h.Uplinks()) {
		t.Errorf("told %v", told)
	}

	ln, err := h.ListenConfig().Listen(t.Context(), "tcp", ":80")
	must(t, err)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "hello, %v", c.RemoteAddr().(*net.TCPAddr).IP)
			c.Close()
		}
	}()
	// By the device, and by a redirected port of the host's own address.
	for _, address := range []string{"10.77.0.2:80", "[fd77:6d6e:6574::2]:80", "192.0.2.7:80"} {
		c, err := net.DialTimeout("tcp", address, patience)
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(patience)))
		got, err := io.ReadAll(c)
		c.Close()
		local := c.LocalAddr().(*net.TCPAddr).IP
		if want := fmt.Sprint("hello, ", local); string(got) != want || err != nil {
			t.Errorf("%s says %q, %v; want %q", address, got, err, want)
		}
	}

	must(t, h.Close())
	must(t, h.Close())
	check("Close")
}

// TestOpenUndoes has Open fail after each of its steps: nothing is left.
func TestOpenUndoes(t *testing.T) {
	site(t)
	broken := errors.New("broken")
	for n := range len(steps) + 1 {
		check := unchanged(t)
		cfg, err := everything().WithDefaults()
		must(t, err)
		_, err = open(t.Context(), cfg, append(slices.Clone(steps[:n]), func(*Host) error { return broken }))
		if !errors.Is(err, broken) {
			t.Errorf("after %d steps: %v", n, err)
		}
		check(fmt.Sprintf("after %d steps", n))
	}
}

// TestOpenCancelled ends the context at each of the steps.
func TestOpenCancelled(t *testing.T) {
	site(t)
	enough := errors.New("enough")
	for n := range steps {
		check := unchanged(t)
		cfg, err := everything().WithDefaults()
		must(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		some := slices.Clone(steps)
		some[n] = func(h *Host) error { cancel(enough); return steps[n](h) }
		if n == len(steps)-1 { // nothing follows the last step
			cancel(enough)
		}
		if _, err := open(ctx, cfg, some); !errors.Is(err, enough) {
			t.Errorf("in step %d: %v", n, err)
		}
		check(fmt.Sprintf("in step %d", n))
	}
}

// TestOpenInUse asks for things that the host has already.
func TestOpenInUse(t *testing.T) {
	site(t)
	for what, change := range map[string]func(*Config){
		"device":  func(c *Config) { c.Device.Name = "up0" },
		"address": func(c *Config) { c.Host, c.Addresses = prefixes("192.0.2.7/24"), prefixes("192.0.2.9/24") },
		"route":   func(c *Config) { c.Routes = append(c.Routes, netip.MustParsePrefix("0.0.0.0/0")); c.Masquerade = false },
	} {
		check := unchanged(t)
		cfg := everything()
		cfg.Host, cfg.Addresses = DefaultHost[:1], DefaultAddresses[:1]
		change(&cfg)
		if _, err := Open(t.Context(), cfg); !errors.Is(err, netstack.ErrInUse) {
			t.Errorf("%s: %v", what, err)
		}
		check(what)
	}
}

// TestDeviceRemoved has somebody else remove the device.
func TestDeviceRemoved(t *testing.T) {
	nstest.Need(t)
	check := unchanged(t)
	h, err := Open(t.Context(), Config{})
	must(t, err)
	if h.Share != nil {
		t.Error("a share that nobody asked for")
	}
	link, err := netlink.LinkByName(h.Link.Name())
	must(t, err)
	must(t, netlink.LinkDel(link))
	select {
	case <-h.Link.Done():
		if h.Link.Err() == nil {
			t.Error("no error")
		}
	case <-time.After(patience):
		t.Fatal("the link does not end")
	}
	must(t, h.Close())
	check("Close")
}

// TestOpenUnprivileged opens a Host without CAP_NET_ADMIN.
func TestOpenUnprivileged(t *testing.T) {
	site(t)
	check := unchanged(t)
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it: the thread ends without the capability
		err := dropNetAdmin()
		if err == nil {
			_, err = Open(t.Context(), everything())
		}
		failed <- err
	}()
	if err := <-failed; !errors.Is(err, netstack.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Error(err)
	}
	check("without CAP_NET_ADMIN")
}
