// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// BenchmarkReject measures the cost of a packet that a stack has to drop, from the IP
// header on.
func BenchmarkReject(b *testing.B) {
	// A RST for a connection that does not exist is dropped with or without
	// migration: for comparison.
	b.Run("packet=stray-rst", func(b *testing.B) {
		r := newRig(b, netstack.Config{}, 0)
		r.reject(b, packet(header.TCPFlagRst, nil))
	})
	b.Run("packet=unknown-token", func(b *testing.B) {
		r, req := requested(b)
		req.Token ^= 1
		r.reject(b, packet(header.TCPFlagSyn, option(req)))
		r.mustHaveCounted(b, migrate.CountUnknownToken)
	})
	b.Run("packet=forged-tag", func(b *testing.B) {
		r, req := requested(b)
		req.Tag ^= 1
		r.reject(b, packet(header.TCPFlagSyn, option(req)))
		r.mustHaveCounted(b, migrate.CountBadTag)
	})
}

// requested returns a rig with a connection, and a request of the client to move
// it, which has been lost on the way.
func requested(b *testing.B) (*rig, migrate.Request) {
	if !*migratable {
		b.Skip("needs -migratable")
	}
	r := newRig(b, netstack.Config{}, 0)
	lost := make(chan migrate.Request, 1)
	r.links[0].lose = lost
	client, _ := r.connect(b)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error)
	go func() { done <- client.Migrate(ctx, clientAddr(1)) }()
	req := <-lost
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		b.Fatal(err)
	}
	return r, req
}

// reject delivers copies of the packet to the server.
func (r *rig) reject(b *testing.B, packet []byte) {
	d := r.links[1].dispatcher
	before := mallocs()
	for b.Loop() {
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
		d.DeliverNetworkPacket(header.IPv4ProtocolNumber, pkt)
		pkt.DecRef()
	}
	b.ReportMetric(ratio(mallocs()-before, uint64(b.N)), "objects/op")
}

func (r *rig) mustHaveCounted(b *testing.B, c migrate.Counter) {
	if n := r.server.MigrationStats().Counts[c]; n != uint64(b.N) {
		b.Fatalf("%v: counted %d of %d packets", c, n, b.N)
	}
}
