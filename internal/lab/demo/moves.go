// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// maxAttempts is how often a migration is tried: where packets get lost, so may
// all the SYNs of an attempt.
const maxAttempts = 10

// migrateAll does the planned migrations, each when it is triggered but not before
// the one before has been measured.
func (r *run) migrateAll(ctx context.Context, triggers <-chan struct{}) error {
	for i, s := range r.steps {
		<-triggers
		if r.ended.Load() {
			return fmt.Errorf("the download ended after %d of %d migrations; a larger file leaves time for them", i, len(r.steps))
		}
		if err := r.migrate(ctx, s); err != nil {
			return fmt.Errorf("migration %d of %d, by the %s from %v to %v: %w", i+1, len(r.steps), s.initiator, s.from.path(), s.to.path(), err)
		}
	}
	return nil
}

func (r *run) migrate(ctx context.Context, s step) error {
	c := r.client.Load()
	local, remote := s.to.client.addr, netip.AddrPortFrom(s.to.server, httpPort)
	if s.initiator == Server {
		// The server knows the client's address and port by the connection.
		c, local, remote = r.server.Load(), s.to.server, netip.AddrPort{}
	}
	if err := c.AwaitMigratable(ctx); err != nil {
		return err
	}
	if r.left != nil {
		if err := r.network.leave(*r.left); err != nil {
			return err
		}
		r.left = nil
	}
	if err := r.network.arrive(s); err != nil {
		return err
	}
	m := Move{Initiator: s.initiator, BreakFirst: s.breakFirst, From: s.from.path(), To: s.to.path()}
	o := r.network.meter.begin(s)
	m.AtMS = stats.Milliseconds(o.start)
	if s.breakFirst {
		if err := r.network.leave(s); err != nil {
			return err
		}
	}
	r.setPosition(s.to)
	var err error
	for m.Attempts = 1; ; m.Attempts++ {
		err = c.MigrateTo(ctx, netip.AddrPortFrom(local, 0), remote)
		if !errors.Is(err, endpoint.ErrNoAnswer) || m.Attempts == maxAttempts {
			break
		}
	}
	if err != nil {
		return err
	}
	r.network.sender.migrated()
	select {
	case <-o.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !s.breakFirst {
		// The next migration ends it: data still under way there shall arrive.
		r.left = &s
	}
	m.OutageMS = stats.Milliseconds(o.longest)
	m.OutageRTT = float64(o.longest) / float64(r.cfg.RTT)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves = append(r.moves, m)
	return nil
}

func (r *run) setPosition(p position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = p
}
