// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"crypto/sha256"
	"net"
	"testing"
	"time"
)

// TestMigrateDownload moves the client while it downloads.
func TestMigrateDownload(t *testing.T) {
	r := newRig(t, rigConfig{seed: 1, paced: true})
	c, s := r.pair(serverAddr)
	r.await(c, s)
	const size = 4 << 20
	var want [sha256.Size]byte
	go func() {
		want, _ = content(s, 1, size)
		s.CloseWrite()
	}()
	moved := make(chan error, 1)
	go func() {
		r.net.Clock.Sleep(300 * time.Millisecond)
		moved <- c.Migrate(context.Background(), addr("10.2.0.2"))
	}()
	got := drainHash(c)
	if err := <-moved; err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if got.err != nil || got.n != size || got.sum != want {
		t.Fatalf("got %d bytes, %v, hash equal %v", got.n, got.err, got.sum == want)
	}
	if a := c.LocalAddr().(*net.TCPAddr); a.IP.String() != "10.2.0.2" {
		t.Errorf("local address is %v", a)
	}
	if a := s.RemoteAddr().(*net.TCPAddr); a.IP.String() != "10.2.0.2" {
		t.Errorf("server sees %v", a)
	}
}
