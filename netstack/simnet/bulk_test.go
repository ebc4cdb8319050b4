// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// access is an access link: RTT 40 ms, 50 Mbit/s, 256 KiB of queue.
var access = Symmetric(Wire{Delay: 20 * time.Millisecond, Rate: 50 * Mbit, Queue: 256 << 10})

// payload returns n bytes that differ from place to place.
func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// transfer moves data from a new connection of client to server in stepping
// mode and returns how long that took.
func transfer(t testing.TB, n *Network, client, server sock, data []byte, limit time.Duration) time.Duration {
	t.Helper()
	var (
		got  bytes.Buffer
		conn sock
		ok   bool
		sent int
	)
	start := n.Clock.Elapsed()
	done := n.Clock.RunUntil(func() bool {
		if !ok {
			conn, ok = server.accept()
		}
		if sent < len(data) {
			sent += client.write(data[sent:])
		}
		return ok && (conn.read(&got) || got.Len() >= len(data))
	}, limit)
	if !done {
		t.Fatalf("%d of %d bytes arrived within %v", got.Len(), len(data), limit)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Fatal("other bytes arrived than were sent")
	}
	return n.Clock.Elapsed() - start
}

func TestBulk(t *testing.T) {
	for _, to := range []netip.Prefix{PairB4, PairB6} {
		t.Run(to.Addr().String(), func(t *testing.T) {
			p := NewPair(1, access)
			a, b := newStack(t, p.A), newStack(t, p.B)
			at := netip.AddrPortFrom(to.Addr(), 80)
			ln := listen(t, b, at)
			data := payload(4 << 20)
			took := transfer(t, p.Network, dial(t, a, netip.Addr{}, at), ln, data, time.Minute)
			rate := float64(len(data)) * 8 / took.Seconds() / 1e6
			if rate < 10 || rate > 50 {
				t.Errorf("%.1f Mbit/s through a link of 50", rate)
			}
		})
	}
}
