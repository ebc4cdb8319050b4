// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Dial is the program http with a stack of mnet, for its size.
package main

import (
	"net/http"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

func main() {
	st, err := netstack.New(netstack.Config{})
	if err != nil {
		panic(err)
	}
	link, _ := netstack.Pipe(netstack.PipeConfig{})
	if _, err := st.Attach(link, netstack.AttachOptions{}); err != nil {
		panic(err)
	}
	dialer := endpoint.Dialer{Stack: st}
	client := http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
	client.Get("http://localhost")
}
