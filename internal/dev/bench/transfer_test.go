// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"io"
	"testing"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/netstack"
)

// BenchmarkBulk sends in one direction as fast as the stacks can. The buffers
// are full when the clock starts and when it stops.
func BenchmarkBulk(b *testing.B) {
	for _, mtu := range []uint32{1500, 65535} {
		for _, dir := range []string{"up", "down"} {
			b.Run(fmt.Sprintf("mtu=%d/dir=%s", mtu, dir), func(b *testing.B) {
				r := newRig(b, netstack.Config{}, mtu)
				from, to := r.connect(b)
				if dir == "down" {
					from, to = to, from
				}
				bulk(b, r, from, to)
			})
		}
	}
}

const (
	chunk = 256 << 10
	// warmUp takes slow start and the auto-tuning of the buffers to their end.
	warmUp = 32 << 20
)

func bulk(b *testing.B, r *rig, from, to *endpoint.Conn) {
	done := make(chan error)
	go func() {
		_, err := to.WriteTo(io.Discard)
		done <- err
	}()
	buf := make([]byte, chunk)
	send := func() {
		if _, err := from.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	for range warmUp / chunk {
		send()
	}
	b.SetBytes(chunk)
	before := r.usage()
	for b.Loop() {
		send()
	}
	r.reportSegments(b, before)
	from.CloseWrite()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	discard(from, to)
}

// BenchmarkRequest sends 64 bytes there and 64 back.
func BenchmarkRequest(b *testing.B) {
	r := newRig(b, netstack.Config{}, 0)
	client, server := r.connect(b)
	done := make(chan error)
	go func() {
		_, err := io.Copy(server, server)
		done <- err
	}()
	buf := make([]byte, 64)
	before := r.usage()
	for b.Loop() {
		if _, err := client.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, buf); err != nil {
			b.Fatal(err)
		}
	}
	r.reportSegments(b, before)
	client.CloseWrite()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	discard(client, server)
}
