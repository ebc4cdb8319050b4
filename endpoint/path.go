// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Path is a place that a connection could move to while it still works where it
// is: make before break. Its methods may be called concurrently.
type Path struct {
	c             *Conn
	local, remote netip.AddrPort

	mu        sync.Mutex
	validated bool
}

// PathState is the result of a probe.
type PathState struct {
	// RTT is the round-trip time of the probe; 0 if it could not be told
	// because the probe had to be repeated.
	RTT time.Duration
}

// AddPath names a local address that the connection could move to, by the rules of
// Migrate. AddPath sends nothing and reserves nothing; Probe and Switch do.
func (c *Conn) AddPath(local netip.AddrPort) (*Path, error) {
	if _, err := c.migratable(); err != nil {
		return nil, c.migrateError("migrate", err)
	}
	return &Path{c: c, local: local, remote: c.peerFor(local.Addr(), netip.AddrPort{})}, nil
}

// Probe asks the peer over the path whether the connection may move there. The
// answer proves that the path works in both directions and that the peer is
// behind it. The connection stays where it is.
func (p *Path) Probe(ctx context.Context) (PathState, error) {
	m, err := p.c.migratable()
	var rtt time.Duration
	if err == nil {
		ctx, stop := p.c.untilClosed(ctx)
		defer stop()
		rtt, err = m.Probe(ctx, p.local, p.remote)
	}
	p.mu.Lock()
	p.validated = err == nil
	p.mu.Unlock()
	return PathState{RTT: rtt}, p.c.migrateError("probe", err)
}

// Switch moves the connection to the path, which must have been probed with
// success. Data flows on the old path until the peer has answered.
func (p *Path) Switch(ctx context.Context) error {
	p.mu.Lock()
	ok := p.validated
	p.mu.Unlock()
	if !ok {
		return p.c.migrateError("migrate", ErrPathNotValidated)
	}
	return p.c.MigrateTo(ctx, p.local, p.remote)
}
