// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"errors"
	"testing"
	"time"
)

// M242: A secret MUST NOT be bound in suites 0x00 and 0x01, nor while an own request
// is open.
//
// M243: A secret of fewer than MinSecret bytes MUST be refused.
func TestBindKey(t *testing.T) {
	secret := []byte("exported keying material")
	for _, v := range variants {
		w := v.world(t, 1)
		if w.opener().newConn(); w.opener().conn.BindKey(secret) != ErrNotNegotiated {
			t.Errorf("%v: bound before the handshake", v)
		}
		w = v.world(t, 1)
		w.opener().connect()
		w.runUntil("confirmed", time.Second, w.confirmed)
		o, a := w.opener(), w.acceptor()
		if v.suite != SuiteX25519SHA256 {
			if err := o.conn.BindKey(secret); err != ErrSuite {
				t.Errorf("%v: %v", v, err)
			}
			continue
		}
		before := o.conn.Tokens()
		if o.conn.BindKey(secret[:MinSecret-1]) == nil || o.conn.TokensChanged() {
			t.Errorf("%v: a short secret is bound", v)
		}
		verifier := o.conn.Verifier()
		for _, e := range w.ends {
			if err := e.conn.BindKey(secret); err != nil {
				t.Fatal(err)
			}
			e.settle()
		}
		if o.conn.Tokens()[0] == before[0] || o.conn.Verifier() == verifier {
			t.Errorf("%v: tokens and verifier are the old ones", v)
		}
		w.checkAgreement()
		w.migrate(o)
		w.migrate(a)

		// An end that has another key cannot migrate.
		if err := o.conn.BindKey([]byte("something else than that")); err != ErrBusy && err != nil {
			t.Fatal(err)
		}
		w.runFor(time.Minute)
		if err := o.conn.BindKey([]byte("something else than that")); err != nil {
			t.Fatal(err)
		}
		o.settle()
		if err := o.start(2, true); err != nil {
			t.Fatal(err)
		}
		if err := o.conn.BindKey(secret); err != ErrBusy {
			t.Errorf("%v: bound during an attempt: %v", v, err)
		}
		w.runUntil("given up", time.Minute, func() bool { return !o.trying })
		if err := o.results[len(o.results)-1]; !errors.Is(err, ErrNoAnswer) || a.counts[CountUnknownToken] == 0 {
			t.Errorf("%v: %v", v, err)
		}
	}
}
