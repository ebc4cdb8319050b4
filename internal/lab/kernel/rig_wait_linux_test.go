// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"net"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// await waits until the condition holds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx := newContext(t)
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v in vain until %s", patience, what)
		}
	}
}

// awaitOffered waits until a direction has been offered n packets.
func awaitOffered(t testing.TB, w *kernel.Wire, d kernel.Direction, n uint64) (stats kernel.WireStats) {
	t.Helper()
	await(t, "all packets are on the wire", func() bool {
		stats = w.Stats(d)
		return stats.Packets >= n
	})
	return stats
}

// newUDPSender returns a function that sends a datagram from left to right.
func newUDPSender(t testing.TB, left, right *kernel.Namespace) func([]byte) {
	t.Helper()
	var sink net.PacketConn
	must(t, right.Do(func() (err error) {
		sink, err = net.ListenPacket("udp", endpoint(rightAddr.Addr()))
		return err
	}))
	t.Cleanup(func() { sink.Close() })
	c, err := left.Dial(newContext(t), "udp", endpoint(rightAddr.Addr()))
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return func(p []byte) {
		t.Helper()
		_, err := c.Write(p)
		must(t, err)
	}
}
