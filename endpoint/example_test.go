// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

// Two stacks in one process, an HTTP server on one and a client on the other. The
// client keeps its connection, and moves it to another address between two
// requests.
func Example() {
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
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "hello, %s", host)
	})
	defer ln.Close()
	go http.Serve(ln, hello)

	var conn *endpoint.Conn
	dialer := endpoint.Dialer{Stack: client}
	get := (&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				conn = c.(*endpoint.Conn)
			}
			return c, err
		},
	}}).Get

	say := func() {
		r, err := get("http://10.0.0.2/")
		if err != nil {
			log.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s; the connection is at %v\n", body, conn.LocalAddr().(*net.TCPAddr).IP)
	}
	say()

	// On a gVisor without the patches the error says how to get them.
	if err := conn.AwaitMigratable(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := conn.Migrate(ctx, netip.MustParseAddrPort("10.0.0.3:0")); err != nil {
		log.Fatal(err)
	}
	say()
	fmt.Println("moves:", conn.Migration().Initiated)

	// Prints, if gVisor has the patches:
	//
	//	hello, 10.0.0.1; the connection is at 10.0.0.1
	//	hello, 10.0.0.1; the connection is at 10.0.0.3
	//	moves: 1
}

// newHost returns a stack with the addresses on a link.
func newHost(link *netstack.PipeEnd, addrs ...string) *netstack.Stack {
	st, err := netstack.New(netstack.Config{})
	if err != nil {
		log.Fatal(err)
	}
	opts := netstack.AttachOptions{Routes: []netstack.Route{{Destination: netstack.Default4}}}
	for _, a := range addrs {
		opts.Addresses = append(opts.Addresses, netip.MustParsePrefix(a))
	}
	if _, err := st.Attach(link, opts); err != nil {
		log.Fatal(err)
	}
	return st
}
