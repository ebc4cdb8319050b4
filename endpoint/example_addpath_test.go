// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

// Make before break: a second path is probed while the connection works on the first.
func ExampleConn_AddPath() {
	ctx := context.Background()
	left, right := netstack.Pipe(netstack.PipeConfig{})
	client := newHost(left, "10.0.0.1/24", "10.0.0.3/24")
	defer client.Close()
	server := newHost(right, "10.0.0.2/24")
	defer server.Close()
	ln, err := (&endpoint.ListenConfig{Stack: server}).Listen(ctx, "tcp", ":7")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if c, err := ln.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()

	c, err := (&endpoint.Dialer{Stack: client}).Dial("tcp", "10.0.0.2:7")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	conn := c.(*endpoint.Conn)
	// On a gVisor without the patches the error says how to get them.
	if err := conn.AwaitMigratable(ctx); err != nil {
		fmt.Println(err)
		return
	}

	path, err := conn.AddPath(netip.MustParseAddrPort("10.0.0.3:0"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := path.Probe(ctx); err != nil { // the first result has the round-trip time
		log.Fatal(err)
	}
	fmt.Println("the path works")
	fmt.Println("the connection is at", conn.Migration().Current.Local.Addr())
	if err := path.Switch(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the connection is at", conn.Migration().Current.Local.Addr())

	// Prints, if gVisor has the patches:
	//
	//	the path works
	//	the connection is at 10.0.0.1
	//	the connection is at 10.0.0.3
}
