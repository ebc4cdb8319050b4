// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

// A Roamer moves a connection when the address that it uses is taken away.
func ExampleRoamer() {
	ctx := context.Background()
	left, right := netstack.Pipe(netstack.PipeConfig{})
	client := newHost(left, "10.0.0.1/24", "10.0.0.3/24")
	defer client.Close()
	server := newHost(right, "10.0.0.2/24")
	defer server.Close()
	ln, err := (&endpoint.ListenConfig{Stack: server}).Listen(ctx, "tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()

	moved := make(chan endpoint.RoamEvent, 1)
	roamer, err := endpoint.NewRoamer(endpoint.RoamerConfig{
		Stack:   client,
		Policy:  endpoint.Handover,
		Observe: func(e endpoint.RoamEvent) { moved <- e },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer roamer.Close()

	dialer := endpoint.Dialer{Stack: client, Roamer: roamer}
	conn, err := dialer.DialContext(ctx, "tcp", "10.0.0.2:80")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	// Only to have something to say on a gVisor without the patches.
	if err := conn.(*endpoint.Conn).AwaitMigratable(ctx); err != nil {
		fmt.Println(err)
		return
	}

	if err := client.Exits()[0].NIC.RemoveAddress(netip.MustParseAddr("10.0.0.1")); err != nil {
		log.Fatal(err)
	}
	e := <-moved
	fmt.Printf("%v: from %v to %v\n", e.Cause, e.From.Addr(), e.To.Addr())

	// Prints, if gVisor has the patches:
	//
	//	path gone: from 10.0.0.1 to 10.0.0.3
}
