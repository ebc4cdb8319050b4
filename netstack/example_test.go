// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/mnet-dev/mnet/netstack"
)

// Two stacks are joined by a link in memory. Both have a default route over it, and one
// pings the other. A stack behind a device of the host takes the link of package
// netstack/tun instead.
func Example() {
	near, far := netstack.Pipe(netstack.PipeConfig{})
	client := open(near, "192.0.2.1/24")
	defer client.Close()
	server := open(far, "192.0.2.2/24")
	defer server.Close()

	for _, r := range client.Routes() {
		fmt.Println(r.Destination, "over", r.NIC.Name())
	}
	for _, e := range client.Exits() {
		fmt.Println("leaves with", e.Local)
	}

	pinger, err := client.NewPinger(netip.MustParseAddr("192.0.2.2"))
	if err != nil {
		log.Fatal(err)
	}
	defer pinger.Close()
	reply, err := pinger.Ping(context.Background(), []byte("hello"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("reply", reply.Seq, "with TTL", reply.TTL)

	// Output:
	// 192.0.2.0/24 over eth0
	// 127.0.0.0/8 over lo
	// 0.0.0.0/0 over eth0
	// leaves with 192.0.2.1
	// reply 1 with TTL 64
}

// open returns a stack with one NIC.
func open(link *netstack.PipeEnd, address string) *netstack.Stack {
	stack, err := netstack.New(netstack.Config{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = stack.Attach(link, netstack.AttachOptions{
		Name:      "eth0",
		Addresses: []netip.Prefix{netip.MustParsePrefix(address)},
		Routes:    []netstack.Route{{Destination: netstack.Default4}},
	})
	if err != nil {
		log.Fatal(err)
	}
	return stack
}
