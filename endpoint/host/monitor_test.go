// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// fakeHost reports the states that a test sets.
type fakeHost struct {
	first hostnet.State
	err   error
	f     func(hostnet.State)
}

func (h *fakeHost) Watch(f func(hostnet.State)) (func(), error) {
	if h.err != nil {
		return nil, h.err
	}
	h.f = f
	f(h.first)
	return func() { h.f = nil }, nil
}

func (h *fakeHost) set(ups ...hostnet.Uplink) { h.f(hostnet.State{Uplinks: ups}) }

// The uplinks of the host, and how they show.
var (
	hostWiFi     = hostnet.Uplink{Interface: "wlan0", Index: 3, Gateway: netip.MustParseAddr("192.168.1.1"), Source: netip.MustParseAddr("192.168.1.7"), Metric: 600}
	hostEthernet = hostnet.Uplink{Interface: "eth0", Index: 2, Gateway: netip.MustParseAddr("192.0.2.1"), Source: netip.MustParseAddr("192.0.2.7"), Metric: 100}
	hostIPv6     = hostnet.Uplink{Interface: "wwan0", Index: 4, Source: netip.MustParseAddr("2001:db8::7"), Metric: 1024}

	stack4, stack6 = netip.MustParseAddr("10.77.0.2"), netip.MustParseAddr("fd77::2")

	byWiFi     = roam.Uplink{Local: stack4, Via: roam.Route{Interface: "wlan0", Gateway: hostWiFi.Gateway, Source: hostWiFi.Source}}
	byEthernet = roam.Uplink{Local: stack4, Via: roam.Route{Interface: "eth0", Gateway: hostEthernet.Gateway, Source: hostEthernet.Source}}
	byIPv6     = roam.Uplink{Local: stack6, Via: roam.Route{Interface: "wwan0", Source: hostIPv6.Source}}
)

// hostStack returns a stack with an address of each family, as behind a TUN device.
func hostStack(t *testing.T) (*netstack.Stack, *netstack.NIC) {
	t.Helper()
	s, err := netstack.New(netstack.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	link, _ := netstack.Pipe(netstack.PipeConfig{})
	nic, err := s.Attach(link, netstack.AttachOptions{
		Addresses: []netip.Prefix{netip.PrefixFrom(stack4, 24), netip.PrefixFrom(stack6, 64)},
		Routes:    []netstack.Route{{Destination: netstack.Default4}, {Destination: netstack.Default6}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, nic
}

func TestMonitor(t *testing.T) {
	s, nic := hostStack(t)
	host := &fakeHost{first: hostnet.State{Uplinks: []hostnet.Uplink{hostWiFi}}}
	var told []roam.Change
	stop, err := Monitor(s, host).Watch(func(ch roam.Change) { told = append(told, ch) })
	if err != nil {
		t.Fatal(err)
	}
	// check makes sure that one change was told, or none.
	check := func(what string, want ...roam.Change) {
		t.Helper()
		if !slices.EqualFunc(told, want, func(a, b roam.Change) bool {
			return a.Woke == b.Woke && slices.Equal(a.Uplinks, b.Uplinks)
		}) {
			t.Errorf("%s: told %v, want %v", what, told, want)
		}
		told = nil
	}
	ups := func(ups ...roam.Uplink) roam.Change { return roam.Change{Uplinks: ups} }
	check("at first", ups(byWiFi))

	host.set(hostWiFi, hostIPv6)
	check("the other family", ups(byWiFi, byIPv6))
	host.set(hostEthernet, hostWiFi, hostIPv6)
	check("a better uplink", ups(byEthernet, byIPv6))
	host.set(hostEthernet, hostIPv6)
	check("the worse one gone")
	host.f(hostnet.State{Uplinks: []hostnet.Uplink{hostEthernet, hostIPv6}, Woke: true})
	check("awake", roam.Change{Uplinks: []roam.Uplink{byEthernet, byIPv6}, Woke: true})

	if err := nic.RemoveAddress(stack6); err != nil {
		t.Fatal(err)
	}
	check("the stack's address gone", ups(byEthernet))
	host.set()
	check("no uplink", ups())
	host.set()
	check("still none")
	if err := nic.AddAddress(netip.PrefixFrom(stack6, 64)); err != nil {
		t.Fatal(err)
	}
	check("an address, but no uplink")

	stop()
	if host.f != nil {
		t.Error("the host is still watched")
	}
	if err := nic.RemoveAddress(stack4); err != nil {
		t.Fatal(err)
	}
	check("after stop")
}

// TestMonitorTo asks for the way to a peer that has a route of its own.
func TestMonitorTo(t *testing.T) {
	s, _ := hostStack(t)
	inOffice, nowhere := netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("203.0.113.9")
	state := hostnet.State{Uplinks: []hostnet.Uplink{hostWiFi}, Route: func(from, to netip.Addr) (hostnet.Uplink, bool) {
		if from != stack4 {
			t.Errorf("asked for the way from %v", from)
		}
		return hostEthernet, to == inOffice
	}}
	host := &fakeHost{first: state}
	var told []roam.Change
	stop, err := Monitor(s, host).Watch(func(ch roam.Change) { told = append(told, ch) })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if got := told[0].Reach(inOffice); !slices.Equal(got, []roam.Uplink{byEthernet}) {
		t.Errorf("%v, want %v", got, byEthernet)
	}
	if got := told[0].Reach(nowhere); len(got) > 0 {
		t.Errorf("%v to nowhere", got)
	}
	host.f(state)
	if state.Rerouted = true; len(told) != 1 {
		t.Errorf("told %d times of the same", len(told))
	}
	host.f(state)
	if len(told) != 2 {
		t.Errorf("told %d times, the second time that a way has changed", len(told))
	}
}

func TestMonitorFails(t *testing.T) {
	s, nic := hostStack(t)
	want := errors.New("no netlink")
	if _, err := Monitor(s, &fakeHost{err: want}).Watch(func(roam.Change) { t.Error("told a change") }); !errors.Is(err, want) {
		t.Error(err)
	}
	if err := nic.RemoveAddress(stack4); err != nil {
		t.Fatal(err)
	}
}
