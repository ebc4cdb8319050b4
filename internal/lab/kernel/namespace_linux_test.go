// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

func TestNamespaceIsStrict(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "host")
	for key, want := range map[string]string{
		"net.netfilter.nf_conntrack_tcp_be_liberal": "0",
		"net.ipv6.conf.default.accept_dad":          "0",
		"net.ipv4.ip_forward":                       "0",
	} {
		if got, err := ns.ReadSysctl(key); err != nil || got != want {
			t.Errorf("%s is %q, error %v, want %q", key, got, err, want)
		}
	}
}

func TestSysctl(t *testing.T) {
	network := newNetwork(t)
	ns, other := newNamespace(t, network, "one"), newNamespace(t, network, "other")
	const key = "net.ipv4.ip_default_ttl"
	must(t, ns.Sysctl(key, "77"))
	if got, err := ns.ReadSysctl(key); err != nil || got != "77" {
		t.Errorf("%s is %q, error %v, want 77", key, got, err)
	}
	if got, err := other.ReadSysctl(key); err != nil || got == "77" {
		t.Errorf("%s of another namespace is %q, error %v", key, got, err)
	}
	if err := ns.Sysctl("net.ipv4.nonsense", "1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a parameter that is not there: %v", err)
	}
}

func TestDo(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "host")
	want := errors.New("of f")
	if err := ns.Do(func() error { return want }); err != want {
		t.Errorf("Do returns %v, want %v", err, want)
	}
	nested := false
	must(t, ns.Do(func() error {
		return ns.Do(func() error { nested = true; return nil })
	}))
	if !nested {
		t.Error("Do within Do does not run")
	}
	if err := ns.Do(func() error { runtime.Goexit(); return nil }); !errors.Is(err, kernel.ErrClosed) {
		t.Errorf("Do of what ends its goroutine: %v, want ErrClosed", err)
	}
	if err := ns.SetUp("lo"); !errors.Is(err, kernel.ErrClosed) {
		t.Errorf("in a namespace without a thread: %v, want ErrClosed", err)
	}
}

// TestBadInput: each error names the mistake.
func TestBadInput(t *testing.T) {
	network := newNetwork(t)
	ns := newNamespace(t, network, "host")
	ctx := newContext(t)
	addr := netip.MustParsePrefix("10.0.0.1/24")
	for _, test := range []struct {
		name string
		want string
		err  func() error
	}{
		{"dial a name", "numeric", func() error { _, err := ns.Dial(ctx, "tcp", "localhost:80"); return err }},
		{"listen on a name", "numeric", func() error { _, err := ns.Listen(ctx, "tcp", "localhost:80"); return err }},
		{"dial without a port", "port", func() error { _, err := ns.Dial(ctx, "tcp", "10.0.0.1"); return err }},
		{"device that is not there", "wan0", func() error { return ns.SetUp("wan0") }},
		{"no address", "prefix", func() error { return ns.AddAddress("lo", netip.Prefix{}) }},
		{"mapped address", "prefix", func() error { return ns.AddAddress("lo", netip.MustParsePrefix("::ffff:10.0.0.1/120")) }},
		{"address that is not there", addr.String(), func() error { return ns.RemoveAddress("lo", addr) }},
		{"no destination", "prefix", func() error { return ns.AddRoute(kernel.Route{Dev: "lo"}) }},
		{"route that is not there", addr.Masked().String(), func() error { return ns.RemoveRoute(kernel.Route{To: addr, Dev: "lo"}) }},
		{"rule for nobody", "prefix", func() error { return ns.AddRule(netip.Prefix{}, 100) }},
		{"long device name", "wire", func() error {
			_, err := network.Wire(ns, strings.Repeat("x", 16), ns, "wan0", kernel.WireConfig{})
			return err
		}},
		{"wire with a bad loss", "loss", func() error {
			_, err := network.Wire(ns, "wan0", ns, "wan1", kernel.WireConfig{Loss: 7})
			return err
		}},
		{"two devices of one name", "busy", func() error {
			_, err := network.Wire(ns, "wan0", ns, "wan0", kernel.WireConfig{})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.err(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	// The failed wires have left no device.
	must(t, ns.Do(func() error {
		devices, err := os.ReadFile("/proc/thread-self/net/dev")
		if strings.Contains(string(devices), "wan") {
			return fmt.Errorf("devices:\n%s", devices)
		}
		return err
	}))
}

func TestRoutesAndAddresses(t *testing.T) {
	left, right, _ := wired(t, kernel.WireConfig{})
	echo(t, right)
	far := netip.MustParseAddr("10.9.9.9")
	must(t, right.AddAddress("lo", netip.PrefixFrom(far, 32)))
	if err := knock(t, left, netip.AddrPortFrom(far, echoPort), context.DeadlineExceeded); err == nil {
		t.Error("reached without a route")
	}
	route := kernel.Route{To: netip.MustParsePrefix("10.9.0.0/16"), Via: rightAddr.Addr(), Dev: "wan0", Metric: 5}
	must(t, left.AddRoute(route))
	must(t, left.AddRoute(route)) // in place of itself
	must(t, left.AddAddress("wan0", leftAddr))
	c := dial(t, left, far)
	mustPingPong(t, c, 1)
	c.Close()
	must(t, left.RemoveRoute(route))
	if err := knock(t, left, netip.AddrPortFrom(far, echoPort), context.DeadlineExceeded); err == nil {
		t.Error("reached by a route that was removed")
	}
	must(t, left.RemoveAddress("wan0", leftAddr))
	if err := knock(t, left, netip.AddrPortFrom(rightAddr.Addr(), echoPort), context.DeadlineExceeded); err == nil {
		t.Error("reached without an address")
	}
}
