// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"golang.org/x/crypto/ssh"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

// A client of golang.org/x/crypto/ssh. Its session goes on when the client changes its
// address.
func Example_ssh() {
	ctx := context.Background()
	left, right := netstack.Pipe(netstack.PipeConfig{})
	client := newHost(left, "10.0.0.1/24", "10.0.0.3/24")
	defer client.Close()
	server := newHost(right, "10.0.0.2/24")
	defer server.Close()
	ln, err := (&endpoint.ListenConfig{Stack: server}).Listen(ctx, "tcp", ":22")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	hostKey := newHostKey()
	go serveSSH(ln, hostKey)

	c, err := (&endpoint.Dialer{Stack: client}).DialContext(ctx, "tcp", "10.0.0.2:22")
	if err != nil {
		log.Fatal(err)
	}
	config := &ssh.ClientConfig{User: "gopher", HostKeyCallback: ssh.FixedHostKey(hostKey.PublicKey())}
	sc, channels, requests, err := ssh.NewClientConn(c, "10.0.0.2:22", config)
	if err != nil {
		log.Fatal(err)
	}
	sshClient := ssh.NewClient(sc, channels, requests)
	defer sshClient.Close()
	run := func(command string) {
		session, err := sshClient.NewSession()
		if err != nil {
			log.Fatal(err)
		}
		defer session.Close()
		out, err := session.Output(command)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s", out)
	}
	run("whoami")

	// On a gVisor without the patches the error says how to get them.
	conn := c.(*endpoint.Conn)
	if err := conn.AwaitMigratable(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := conn.Migrate(ctx, netip.MustParseAddrPort("10.0.0.3:0")); err != nil {
		log.Fatal(err)
	}
	run("uptime")

	// Prints, if gVisor has the patches:
	//
	//	gopher runs whoami from 10.0.0.1
	//	gopher runs uptime from 10.0.0.3
}
