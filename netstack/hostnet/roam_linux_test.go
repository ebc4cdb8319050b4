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

// stackBehind returns a stack behind a TUN device. Its address is the one after the
// host's.
func stackBehind(t *testing.T, n *hostnet.Namespace, device, hostAddr string) *netstack.Stack {
	t.Helper()
	prefix := netip.MustParsePrefix(hostAddr)
	s, err := netstack.New(netstack.Config{})
	n.Must(err)
	t.Cleanup(func() { s.Close() })
	n.Must(n.Do(func() error {
		link, err := tun.Open(tun.Config{Name: device})
		if err != nil {
			return err
		}
		t.Cleanup(link.Close)
		if err := link.Configure([]netip.Prefix{prefix}, nil); err != nil {
			return err
		}
		_, err = s.Attach(link, netstack.AttachOptions{
			Addresses: []netip.Prefix{netip.PrefixFrom(prefix.Addr().Next(), prefix.Bits())},
			Routes:    []netstack.Route{{Destination: netstack.Default4, Gateway: prefix.Addr()}},
		})
		return err
	}))
	return s
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
	client := stackBehind(t, laptop, "mnet0", "10.77.0.1/24")
	server := stackBehind(t, world, "mnet1", "203.0.113.1/24")

	moves := make(chan endpoint.RoamEvent, 100)
	dialer := endpoint.Dialer{Stack: client}
	laptop.Must(laptop.Do(func() error {
		share, err := hostnet.NewShare(hostnet.ShareConfig{
			Device: "mnet0", Masquerade: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32")},
		})
		if err != nil {
			return err
		}
		t.Cleanup(func() { share.Close() })
		dialer.Roamer, err = endpoint.NewRoamer(endpoint.RoamerConfig{
			Stack: client, Monitor: host.Monitor(client, share),
			Observe: func(ev endpoint.RoamEvent) { moves <- ev },
		})
		return err
	}))
	t.Cleanup(func() { dialer.Roamer.Close() })

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ln, err := (&endpoint.ListenConfig{Stack: server}).Listen(ctx, "tcp", "203.0.113.2:80")
	laptop.Must(err)
	defer ln.Close()
	c, err := dialer.DialContext(ctx, "tcp", "203.0.113.2:80")
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
