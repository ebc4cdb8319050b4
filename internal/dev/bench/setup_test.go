// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

// BenchmarkSetUp opens a connection and resets it. If the connection is to be
// migratable, it first waits until both ends can migrate it.
func BenchmarkSetUp(b *testing.B) {
	r := newRig(b, netstack.Config{}, 0)
	before := r.usage()
	for b.Loop() {
		discard(r.connect(b))
	}
	r.reportOperations(b, before)
}

// BenchmarkMigrate moves an idle connection between two addresses of the client.
// Counted are both ends, up to when the peer's answer has moved the client and
// the client's has moved the peer.
func BenchmarkMigrate(b *testing.B) {
	if !*migratable {
		b.Skip("needs -migratable")
	}
	r := newRig(b, netstack.Config{}, 0)
	client, server := r.connect(b)
	var next int
	before := r.usage()
	for b.Loop() {
		next = (next + 1) % len(clientPrefixes)
		if err := client.Migrate(context.Background(), clientAddr(next)); err != nil {
			b.Fatal(err)
		}
	}
	r.reportOperations(b, before)
	discard(client, server)
}
