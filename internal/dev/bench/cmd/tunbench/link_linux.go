// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// The addresses of both ends of each link. There is a namespace for each.
var (
	near = netip.MustParsePrefix("10.66.0.1/24")
	far  = netip.MustParsePrefix("10.66.0.2/24")
)

// link is a link to measure. The far end dials a connection, and the near one, which is
// the kernel, accepts it. Of a TUN device, the far end is the stack.
type link struct {
	name   string
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	listen func(ctx context.Context, network, address string) (net.Listener, error)
	close  func()
}

type links []link

func (ls links) close() {
	for _, l := range ls {
		l.close()
	}
}

// openLinks opens all links. If it fails, it returns the links that it has opened.
func openLinks(network *kernel.Network) (ls links, err error) {
	veth, err := openVeth(network)
	if err != nil {
		return nil, err
	}
	ls = append(ls, veth)
	for _, driver := range []tun.Driver{tun.Water, tun.VNetHdr} {
		l, err := openTun(network, driver)
		if err != nil {
			return ls, err
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// openVeth joins two namespaces.
func openVeth(network *kernel.Network) (l link, err error) {
	a, err := network.Namespace("near")
	if err != nil {
		return l, err
	}
	b, err := network.Namespace("far")
	if err != nil {
		return l, err
	}
	if err := network.Veth(a, "veth0", b, "veth0", kernel.VethConfig{}); err != nil {
		return l, err
	}
	if err := a.AddAddress("veth0", near); err != nil {
		return l, err
	}
	if err := b.AddAddress("veth0", far); err != nil {
		return l, err
	}
	return link{kernelLink, b.Dial, a.Listen, func() {}}, nil
}

// openTun puts a stack behind a TUN device.
func openTun(network *kernel.Network, driver tun.Driver) (l link, err error) {
	ns, err := network.Namespace(driver.String())
	if err != nil {
		return l, err
	}
	var h *host.Host
	err = ns.Do(func() (err error) {
		h, err = host.Open(context.Background(), host.Config{
			Device:    tun.Config{Driver: driver},
			Host:      []netip.Prefix{near},
			Addresses: []netip.Prefix{far},
			Policy:    endpoint.Manual,
		})
		return err
	})
	if err != nil {
		return l, err
	}
	d := endpoint.Dialer{Stack: h.Stack}
	return link{driver.String(), d.DialContext, ns.Listen, func() { h.Close() }}, nil
}
