// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// tuples collects what a stack releases.
type tuples struct {
	mu  sync.Mutex
	all []migrate.Tuple
}

func (l *tuples) add(t migrate.Tuple) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, t)
}

func (l *tuples) expect(t *testing.T, when string, want ...migrate.Tuple) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.all, want) {
		t.Errorf("%s: released %v, want %v", when, l.all, want)
	}
}

// TestReleased moves a connection. Both stacks tell each tuple that was left, once it has
// drained or the connection has ended, and no other.
//
// M627: A connection that is gone MUST have no old tuples either.
func TestReleased(t *testing.T) {
	var client, server tuples
	r := newRig(t, rigConfig{
		client: netstack.Config{Migration: netstack.MigrationConfig{Released: client.add}},
		server: netstack.Config{Migration: netstack.MigrationConfig{Released: server.add}},
	})
	c, s := r.open(serverAddr)
	left := func() (c1, s1 migrate.Tuple) { return c.Migration().Current, s.Migration().Current }

	c1, s1 := left()
	r.migrate(c, "10.2.0.2")
	r.sleep(time.Second)
	client.expect(t, "while it drains")
	server.expect(t, "while it drains")
	r.sleep(drainLimit)
	client.expect(t, "drained", c1)
	server.expect(t, "drained", s1)

	c2, s2 := left()
	r.migrate(c, "10.1.0.2")
	r.sleep(time.Second)
	c.SetLinger(0)
	c.Close()
	r.sleep(time.Second)
	client.expect(t, "reset while it drains", c1, c2)
	server.expect(t, "reset while it drains", s1, s2)
}

// TestReleasedAgain moves a connection back to a tuple that drains: it has not been
// released.
func TestReleasedAgain(t *testing.T) {
	var client, server tuples
	r := newRig(t, rigConfig{
		client: netstack.Config{Migration: netstack.MigrationConfig{Released: client.add}},
		server: netstack.Config{Migration: netstack.MigrationConfig{Released: server.add}},
	})
	c, s := r.open(serverAddr)
	first := c.Migration().Current
	r.migrate(c, "10.2.0.2")
	r.sleep(time.Second)
	c2, s2 := c.Migration().Current, s.Migration().Current
	r.migrate(c, first.Local.String())
	r.sleep(drainLimit + time.Second)
	client.expect(t, "back", c2)
	server.expect(t, "back", s2)
}
