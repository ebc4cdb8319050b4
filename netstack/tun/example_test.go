// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"log"
	"net/netip"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// A stack at 10.9.0.2, which programs of this host reach by the device mnet0. It needs
// CAP_NET_ADMIN. Package endpoint/host does this, and gets the stack onto the network.
func Example() {
	link, err := tun.Open(tun.Config{Name: "mnet0"})
	if err != nil {
		log.Fatal(err)
	}
	defer link.Close()
	addrs := []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}
	if err := link.Configure(addrs, nil); err != nil {
		log.Print(err)
		return
	}

	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	defer stack.Close()
	_, err = stack.Attach(link, netstack.AttachOptions{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")},
		Routes:    []netstack.Route{{Destination: netstack.Default4, Gateway: addrs[0].Addr()}},
	})
	if err != nil {
		log.Print(err)
		return
	}

	<-link.Done() // until somebody removes the device
	log.Print(link.Err())
}
