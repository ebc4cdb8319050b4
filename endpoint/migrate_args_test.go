// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
)

// TestCloseEndsCalls closes a connection whose calls of migration wait, on a path that works
// and on one that does not.
func TestCloseEndsCalls(t *testing.T) {
	calls := map[string]func(c *Conn) error{
		"Migrate": func(c *Conn) error { return c.Migrate(context.Background(), addr("10.2.0.2")) },
		"Probe": func(c *Conn) error {
			p, err := c.AddPath(addr("10.2.0.2"))
			if err == nil {
				_, err = p.Probe(context.Background())
			}
			return err
		},
		"BindKey": func(c *Conn) error {
			go c.Migrate(context.Background(), addr("10.2.0.2"))
			c.stack.Clock().(interface{ Sleep(time.Duration) }).Sleep(time.Millisecond)
			return c.BindKey(context.Background(), make([]byte, migrate.MinSecret))
		},
	}
	for name, call := range calls {
		for _, dead := range []bool{false, true} {
			r := newRig(t, rigConfig{})
			c, _ := r.open(serverAddr)
			r.net.Uplinks[1].SetDown(dead)
			done := make(chan error, 1)
			go func() { done <- call(c) }()
			r.sleep(delay / 2)
			begin := r.net.Clock.Elapsed()
			c.Close()
			if err := <-done; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s, dead path %v: %v", name, dead, err)
			}
			if took := r.net.Clock.Elapsed() - begin; took > 0 {
				t.Errorf("%s, dead path %v: %v after Close", name, dead, took)
			}
		}
	}
}

// TestBindKeyWaits binds a key during an attempt, which has to end first.
//
// M242: A secret MUST NOT be bound in suites 0x00 and 0x01, nor while an own request is
// open.
func TestBindKeyWaits(t *testing.T) {
	r := newRig(t, rigConfig{})
	c, s := r.open(serverAddr)
	secret := make([]byte, migrate.MinSecret)
	moved := make(chan error, 1)
	r.inner[1].set(dropSYNs)
	go func() { moved <- c.Migrate(context.Background(), addr("10.2.0.2")) }()
	r.sleep(delay)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	r.net.Clock.AfterFunc(delay, func() { cancel(cause) })
	if err := c.BindKey(ctx, secret); !errors.Is(err, cause) {
		t.Errorf("cancelled: %v", err)
	}
	r.inner[1].set(nil)
	for _, e := range []*Conn{c, s} {
		if err := e.BindKey(t.Context(), secret); err != nil {
			t.Error(err)
		}
	}
	if err := <-moved; err != nil {
		t.Error(err)
	}
	r.migrate(c, "10.1.0.2")
}

// TestMigrateAddresses: zero addresses and ports are chosen or kept, in each form. No
// connection moves from or to an address of many hosts.
func TestMigrateAddresses(t *testing.T) {
	for _, test := range []struct{ local, remote, want string }{
		{"10.2.0.2", "10.9.0.2", "10.9.0.2:80"},
		{"10.2.0.2", "10.9.0.2:80", "10.9.0.2:80"},
		{"10.2.0.2", "0.0.0.0", "10.9.0.1:80"},
		{"10.2.0.2", "::ffff:0.0.0.0", "10.9.0.1:80"},
		{"::ffff:0.0.0.0", "10.9.0.2", "10.9.0.2:80"},
		{"0.0.0.0", "10.9.0.2", "10.9.0.2:80"},
		{"::ffff:10.2.0.2", "::ffff:10.9.0.2", "10.9.0.2:80"},
	} {
		r := newRig(t, rigConfig{homes: twoHomes})
		c, _ := r.open(serverAddr)
		if err := c.MigrateTo(t.Context(), addr(test.local), addr(test.remote)); err != nil {
			t.Errorf("%s to %s: %v", test.local, test.remote, err)
		}
		if _, remote := c.addrs(); remote != addr(test.want) {
			t.Errorf("%s to %s: at %v, want %s", test.local, test.remote, remote, test.want)
		}
	}
	r := newRig(t, rigConfig{homes: twoHomes})
	c, _ := r.open(serverAddr)
	for _, many := range []string{"255.255.255.255", "10.1.0.255", "10.2.0.255", "224.0.0.1", "::ffff:224.0.0.1"} {
		begin := r.net.Clock.Elapsed()
		for _, err := range []error{
			c.Migrate(t.Context(), addr(many)),
			c.MigrateTo(t.Context(), addr("10.2.0.2"), addr(many)),
		} {
			if !errors.Is(err, ErrNoRoute) {
				t.Errorf("%s: %v", many, err)
			}
		}
		if took := r.net.Clock.Elapsed() - begin; took != 0 {
			t.Errorf("%s: after %v", many, took)
		}
	}
}
