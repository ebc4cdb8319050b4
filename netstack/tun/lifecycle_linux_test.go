// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// exists reports whether there is a device of that name.
func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// checkGone makes sure that the host has neither addr nor a route to dst.
func checkGone(t *testing.T, addr, dst netip.Prefix) {
	t.Helper()
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if a.IP.Equal(addr.Addr().AsSlice()) {
			t.Errorf("address %v is left", addr)
		}
	}
	if hasRoute(dst) {
		t.Errorf("route to %v is left", dst)
	}
}

func hasRoute(dst netip.Prefix) bool {
	routes, err := netlink.RouteGet(dst.Addr().Next().AsSlice())
	return err == nil && len(routes) > 0
}

func TestConfigure(t *testing.T) {
	nstest.Need(t)
	addrs, routes := prefixes("10.70.0.1/24", "fd70::1/64"), prefixes("10.71.3.4/16", "fd71::/64", "0.0.0.0/0", "::/0")
	for _, driver := range drivers {
		// Several times, as the kernel does a part in the background.
		for range 5 {
			link, err := tun.Open(tun.Config{Name: "mnetconf", Driver: driver, MTU: 1400})
			if err != nil {
				t.Fatal(err)
			}
			free := tun.Config{Name: "mnetfree"}
			if err := free.CheckHost(addrs); err != nil {
				t.Errorf("%v: before the device has them: %v", driver, err)
			}
			if err := link.Configure(addrs, routes); err != nil {
				t.Error(err)
			}
			if err := free.CheckHost(addrs); !errors.Is(err, tun.ErrInUse) {
				t.Errorf("%v: when the device has them: %v", driver, err)
			}
			ifi, err := net.InterfaceByName("mnetconf")
			if err != nil {
				t.Fatal(err)
			}
			if ifi.MTU != 1400 || ifi.Flags&net.FlagUp == 0 || link.MTU() != 1400 || link.Name() != ifi.Name {
				t.Errorf("%v: %+v, link %s with MTU %d", driver, ifi, link.Name(), link.MTU())
			}
			for _, a := range addrs {
				r, err := netlink.RouteGet(a.Addr().AsSlice())
				if err != nil || r[0].Type != unix.RTN_LOCAL {
					t.Errorf("%v: the host does not take packets for %v: %v %v", driver, a, r, err)
				}
			}
			for _, dst := range append(routes, prefixes("192.0.2.0/24", "2001:db8::/32")...) {
				r, err := netlink.RouteGet(dst.Addr().Next().AsSlice())
				if err != nil || r[0].LinkIndex != ifi.Index {
					t.Errorf("%v: the route to %v is %v, %v", driver, dst, r, err)
				}
			}
			link.Close()
			link.Wait()
			if exists(t, "mnetconf") {
				t.Fatalf("%v: the device is left", driver)
			}
			for _, a := range addrs {
				checkGone(t, a, routes[0])
			}
		}
	}
}

func TestConfigureInUse(t *testing.T) {
	nstest.Need(t)
	open := func(name string) *tun.Link {
		link, err := tun.Open(tun.Config{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(link.Close)
		return link
	}
	first, second := open("mnet1"), open("mnet2")
	if err := first.Configure(prefixes("10.72.0.1/24", "fd72::1/64"), prefixes("10.73.0.0/16")); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"10.72.0.1/32", "fd72::1/64"} {
		if err := second.Configure(prefixes(a), nil); !errors.Is(err, tun.ErrInUse) || !strings.Contains(err.Error(), "mnet1") {
			t.Errorf("address of another device: %v", err)
		}
	}
	if err := second.Configure(nil, prefixes("10.73.0.0/16")); !errors.Is(err, tun.ErrInUse) {
		t.Errorf("route of another device: %v", err)
	}
	invalid := []netip.Prefix{{}}
	for _, err := range []error{
		second.Configure(invalid, nil), second.Configure(nil, invalid),
		second.Configure(prefixes("::ffff:10.74.0.1/120"), nil),
	} {
		if !errors.Is(err, tun.ErrConfig) {
			t.Errorf("invalid prefix: %v", err)
		}
	}
}

func TestNameInUse(t *testing.T) {
	nstest.Need(t)
	persistent := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: "mnetkeep"},
		Mode:      netlink.TUNTAP_MODE_TUN,
		Flags:     netlink.TUNTAP_NO_PI,
	}
	if err := netlink.LinkAdd(persistent); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(persistent) })
	for _, driver := range drivers {
		link, err := tun.Open(tun.Config{Name: "mnetbusy", Driver: driver})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"mnetbusy", "mnetkeep", "lo"} {
			cfg := tun.Config{Name: name, Driver: driver}
			if err := cfg.CheckHost(nil); !errors.Is(err, tun.ErrInUse) {
				t.Errorf("%v: check %s: %v", driver, name, err)
			}
			if _, err := tun.Open(cfg); !errors.Is(err, tun.ErrInUse) {
				t.Errorf("%v: open %s: %v", driver, name, err)
			}
		}
		link.Close()
	}
	if !exists(t, "mnetkeep") {
		t.Error("a device of somebody else's is gone")
	}
}

// TestPermission opens a device on a thread without CAP_NET_ADMIN.
func TestPermission(t *testing.T) {
	nstest.Need(t)
	for _, driver := range drivers {
		err := withoutNetAdmin(t, func() error {
			link, err := tun.Open(tun.Config{Driver: driver})
			if err == nil {
				link.Close()
			}
			return err
		})
		if !errors.Is(err, tun.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%v: %v", driver, err)
		}
	}
}

// withoutNetAdmin calls f on a thread that has lost CAP_NET_ADMIN, which ends then.
func withoutNetAdmin(t *testing.T, f func() error) error {
	t.Helper()
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&head, &data[0]); err != nil {
			failed <- err
			return
		}
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&head, &data[0]); err != nil {
			failed <- err
			return
		}
		failed <- f()
	}()
	return <-failed
}

// TestRemoved removes the device behind the link's back.
func TestRemoved(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver.String(), func(t *testing.T) {
			r := newRig(t, driver, 0)
			if err := r.link.Err(); err != nil {
				t.Error(err)
			}
			dev, err := netlink.LinkByName(r.link.Name())
			if err != nil {
				t.Fatal(err)
			}
			if err := netlink.LinkDel(dev); err != nil {
				t.Fatal(err)
			}
			select {
			case <-r.link.Done():
			case <-time.After(patience):
				t.Fatal("the link does not notice that its device is gone")
			}
			if r.link.Err() == nil {
				t.Error("no error")
			}
		})
	}
}

// TestClose closes the stack with its link while both directions are busy.
func TestClose(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver.String(), func(t *testing.T) {
			r := newRig(t, driver, 0)
			client, server := connect(t, "tcp4", r.kernel(), r.netstack())
			busy := make(chan error, 2)
			for _, c := range []net.Conn{client, server} {
				go func() {
					_, err := send(c, 1<<40, 0)
					busy <- err
				}()
			}
			for _, c := range []net.Conn{client, server} {
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.stack.Close(); err != nil {
				t.Error(err)
			}
			if exists(t, r.link.Name()) {
				t.Error("the device is left")
			}
			<-r.link.Done()
			if err := r.link.Err(); err != nil {
				t.Error(err)
			}
			client.Close()
			for range cap(busy) {
				if err := <-busy; err == nil {
					t.Error("wrote it all to a closed connection")
				}
			}
		})
	}
}

// TestKilled kills a process that has a configured device.
func TestKilled(t *testing.T) {
	nstest.Need(t)
	cmd := nstest.Self(holder)
	// The process waits for the end of its input.
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error("the process is not ready:", err)
	} else if !exists(t, holderName) || !hasRoute(holderRoute) {
		t.Error("the process has no device or route")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Error(err)
	}
	if exists(t, holderName) {
		t.Error("the device is left")
	}
	checkGone(t, holderAddr, holderRoute)
}
