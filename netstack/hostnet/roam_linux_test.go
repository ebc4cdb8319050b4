// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

// openHost opens a stack behind a namespace. The stack's address is the one after the
// host's.
func openHost(t *testing.T, n *hostnet.Namespace, hostAddr string, cfg host.Config) (h *host.Host) {
	t.Helper()
	p := netip.MustParsePrefix(hostAddr)
	cfg.Host = []netip.Prefix{p}
	cfg.Addresses = []netip.Prefix{netip.PrefixFrom(p.Addr().Next(), p.Bits())}
	n.Must(n.Do(func() (err error) {
		h, err = host.Open(t.Context(), cfg)
		return err
	}))
	t.Cleanup(func() { n.Must(h.Close()) })
	return h
}

// TestRoam has a client behind the masquerade of a host whose uplink changes.
func TestRoam(t *testing.T) {
	if err := netstack.Patched(); err != nil {
		t.Skip(err)
	}
	laptop, world := hostnet.NewNamespace(t), hostnet.NewNamespace(t)
	laptop.Connect("eth0", world, "weth0")
	laptop.Connect("wlan0", world, "wwlan0")
	laptop.Addr("eth0", "192.0.2.7/24")
	laptop.Addr("wlan0", "198.51.100.7/24")
	world.Addr("weth0", "192.0.2.1/24")
	world.Addr("wwlan0", "198.51.100.1/24")
	world.Set("ipv4/conf/all/forwarding", "1")
	laptop.AddRoute(laptop.DefaultRoute("eth0", "192.0.2.1", 100))
	laptop.AddRoute(laptop.DefaultRoute("wlan0", "198.51.100.1", 600))
	moves := make(chan endpoint.RoamEvent, 100)
	client := openHost(t, laptop, "10.77.0.1/24", host.Config{
		Device:     tun.Config{Name: "mnet0"},
		Masquerade: true,
		Moved:      func(ev endpoint.RoamEvent) { moves <- ev },
	})
	server := openHost(t, world, "203.0.113.1/24", host.Config{})

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ln, err := (&endpoint.ListenConfig{Stack: server.Stack}).Listen(ctx, "tcp", "203.0.113.2:80")
	laptop.Must(err)
	defer ln.Close()
	c, err := client.Dialer().DialContext(ctx, "tcp", "203.0.113.2:80")
	laptop.Must(err)
	defer c.Close()
	s, err := ln.Accept()
	laptop.Must(err)
	defer s.Close()

	// check sends data to and fro, over the uplink with the address from.
	data := bytes.Repeat([]byte("There and back again. "), 10000)
	check := func(from string) {
		t.Helper()
		for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
			go way[0].Write(data)
			got := make([]byte, len(data))
			way[1].SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("data do not arrive: %v", err)
			}
		}
		if at := s.RemoteAddr().(*net.TCPAddr).IP.String(); at != from {
			t.Errorf("the client is at %s, want %s", at, from)
		}
	}
	moved := func() {
		t.Helper()
		for {
			select {
			case ev := <-moves:
				t.Logf("%v: %v > %v, %v, in %v, %v", ev.Cause, ev.From, ev.To, ev.Uplink, ev.Took, ev.Err)
				if ev.Err == nil {
					return
				}
			case <-time.After(patience):
				t.Fatal("the connection does not move")
			}
		}
	}
	check("192.0.2.7")
	laptop.Down("eth0")
	moved()
	check("198.51.100.7")
	laptop.Up("eth0")
	laptop.AddRoute(laptop.DefaultRoute("eth0", "192.0.2.1", 100))
	moved()
	check("192.0.2.7")

	// Rules for the stack alone.
	other := laptop.DefaultRoute("wlan0", "198.51.100.1", 0)
	other.Table = 7
	laptop.AddRoute(other)
	rule := hostnet.Rule(netlink.FAMILY_V4, 10, other.Table)
	rule.IifName = "mnet0"
	laptop.AddRule(rule)
	moved()
	check("198.51.100.7")
	laptop.DelRule(rule)
	moved()
	check("192.0.2.7")
}
