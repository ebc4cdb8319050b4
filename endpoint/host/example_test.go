// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"

	"github.com/mnet-dev/mnet/endpoint/host"
)

// A program that serves a page on port 80 of this host, and fetches one. Its connections
// go on when the host changes to another network. It needs CAP_NET_ADMIN.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	h, err := host.Open(ctx, host.Config{
		Masquerade: true,         // out, behind the addresses of the host
		Ports:      []uint16{80}, // in, by the addresses of the host
		Logger:     slog.Default(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()

	ln, err := h.ListenConfig().Listen(ctx, "tcp", ":80")
	if err != nil {
		log.Print(err)
		return
	}
	defer ln.Close()
	go http.Serve(ln, http.HandlerFunc(hello))

	client := http.Client{Transport: &http.Transport{DialContext: h.Dialer().DialContext}}
	r, err := client.Get("http://example.com/")
	if err != nil {
		log.Print(err)
		return
	}
	defer r.Body.Close()
	io.Copy(os.Stdout, r.Body)

	<-ctx.Done()
}

// hello answers a request.
func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello, %s\n", r.RemoteAddr)
}
