// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/faketime"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

var heapProfile = flag.String("heapprofile", "", "`file` for a profile of the heap while the connections hold it; wants -test.memprofilerate=1")

// settle is longer than anything goes on after a connection has been set up
// with which nothing happens.
const settle = time.Minute

// BenchmarkHeap measures the heap that idle connections hold, the client's and the
// server's ends. It also measures the addition right after set-up, while an end still
// answers to a repeated negotiation. The numbers of connections differ because maps
// grow in leaps.
func BenchmarkHeap(b *testing.B) {
	for _, n := range []int{1000, 1300, 1600} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			var sum heapUse
			for b.Loop() {
				stacks, all := population(b, 0), population(b, n)
				sum.client += all.client - stacks.client
				sum.server += all.server - stacks.server
				sum.fresh += all.fresh - stacks.fresh
			}
			perConn := func(bytes int64) float64 { return float64(bytes) / float64(b.N*n) }
			b.ReportMetric(perConn(sum.client), "client-B/conn")
			b.ReportMetric(perConn(sum.server), "server-B/conn")
			b.ReportMetric(perConn(sum.fresh), "fresh-B/conn")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// heapUse is bytes on the heap.
type heapUse struct{ client, server, fresh int64 }

// population measures two stacks with n connections between them.
func population(b *testing.B, n int) heapUse {
	clock := faketime.NewManualClock()
	r := newRig(b, netstack.Config{Clock: clock}, 0)
	clients, servers := make([]*endpoint.Conn, n), make([]*endpoint.Conn, n)
	for i := range n {
		clients[i], servers[i] = r.connect(b)
	}
	fresh := heap()
	clock.Advance(settle)
	both := heap()
	if *heapProfile != "" {
		writeHeapProfile(b, *heapProfile)
	}

	// One end after the other goes with all that it holds, unheard.
	for _, l := range r.links {
		l.Close()
	}
	r.closeClient()
	clear(clients)
	one := heap()
	r.close()
	clear(servers)
	return heapUse{client: both - one, server: one - heap(), fresh: fresh - both}
}

// heap returns the bytes of all objects in use. Pools give up their objects in
// the second cycle after the last use.
func heap() int64 {
	const cycles = 3
	for range cycles {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func writeHeapProfile(b *testing.B, name string) {
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := pprof.WriteHeapProfile(f); err != nil {
		b.Fatal(err)
	}
}
