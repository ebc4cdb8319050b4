// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet_test

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// A refused connection, stepped by hand.
func Example() {
	net := simnet.NewPair(1, simnet.Symmetric(simnet.Wire{Delay: 20 * time.Millisecond}))
	var stacks []*stack.Stack
	for _, h := range []*simnet.Host{net.A, net.B} {
		st := stack.New(net.StackOptions(h.Name()))
		defer st.Destroy()
		if err := h.Plug(st); err != nil {
			fmt.Println(err)
			return
		}
		stacks = append(stacks, st)
	}
	var wq waiter.Queue
	ep, err := stacks[0].NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &wq)
	if err != nil {
		fmt.Println(err)
		return
	}
	ep.Connect(tcpip.FullAddress{Addr: tcpip.AddrFrom4(simnet.PairB4.Addr().As4()), Port: 80})
	start := net.Clock.Now()
	net.Clock.RunUntil(func() bool { return ep.Readiness(waiter.EventHUp) != 0 }, time.Minute)
	fmt.Println(ep.LastError(), "after", net.Clock.Now().Sub(start))
	// Output: connection was refused after 40ms
}
