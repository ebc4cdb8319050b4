// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// dialog drives one machine of a default negotiation by hand.
type dialog struct {
	t    *testing.T
	c    *Machine
	peer *Machine // whose options are real
	now  Time
}

func newDialog(t *testing.T, r Role, suite SuiteID) *dialog {
	cfg := &Config{Suites: []SuiteID{suite}}
	d := &dialog{t: t}
	var conns [2]*Machine
	for r := range conns {
		c, err := NewMachine(Role(r), cfg, constReader(r+1))
		if err != nil {
			t.Fatal(err)
		}
		conns[r] = c
	}
	conns[Acceptor].PeerSYN(conns[Opener].SYNOption(nil, 40))
	conns[Opener].PeerSYN(conns[Acceptor].SYNOption(nil, 40))
	conns[Opener].Established(0, 100, 200)
	conns[Acceptor].Established(0, 200, 100)
	d.c, d.peer = conns[r], conns[r.peer()]
	return d
}

// take gives options to the machine, a second later.
func (d *dialog) take(opts []byte) bool {
	d.now = d.now.Add(time.Second)
	return d.c.PeerACK(d.now, 0, opts, TCB{})
}

func (d *dialog) want(s NegotiationState, r PlainReason) {
	d.t.Helper()
	if d.c.State() != s || d.c.Reason() != r {
		d.t.Fatalf("%v, %v, want %v, %v", d.c.State(), d.c.Reason(), s, r)
	}
}

// exchange lets both ends talk until both have confirmed.
func (d *dialog) exchange() {
	d.t.Helper()
	for range 3 {
		d.take(d.peer.ACKOption(nil, 40, TCB{}))
		d.peer.PeerACK(d.now, 0, d.c.ACKOption(nil, 40, TCB{}), TCB{})
	}
	d.want(Confirmed, PlainNone)
	if d.peer.State() != Confirmed {
		d.t.Fatalf("peer: %v", d.peer.State())
	}
}

func keyRest(key byte) []byte {
	return append([]byte{kindPermitted, 18, 0}, slices.Repeat([]byte{key}, 15)...)
}

func keyConfirm(tag uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kindPermitted, 10}, tag)
}

func TestKeyRestInconsistent(t *testing.T) {
	for r := range Role(2) {
		d := newDialog(t, r, SuiteX25519SHA256)
		d.take(d.peer.ACKOption(nil, 40, TCB{}))
		d.want(Ready, PlainNone)
		if d.take(keyRest(7)) {
			t.Error("answered")
		}
		d.want(Plain, PlainInconsistent)
		if !d.c.TokensChanged() || d.c.Tokens() != nil {
			t.Error("tokens stay published")
		}
	}
}

// TestWeakKeys: peer keys of low order, which give an all-zero secret, and our
// own.
func TestWeakKeys(t *testing.T) {
	lowOrder := map[string]string{
		"0":     "0000000000000000000000000000000000000000000000000000000000000000",
		"1":     "0100000000000000000000000000000000000000000000000000000000000000",
		"8a":    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"8b":    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"p-1":   "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p":     "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"p+1":   "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"1+bit": "0100000000000000000000000000000000000000000000000000000000000080",
	}
	for name, digits := range lowOrder {
		for _, suite := range []SuiteID{SuiteX25519SHA1, SuiteX25519SHA256} {
			for r := range Role(2) {
				c := withPeerKey(t, r, suite, opts(digits))
				if c.State() != Plain || c.Reason() != PlainWeakKey || c.Tokens() != nil {
					t.Errorf("%s, %v at %v: %v, %v", name, suite, r, c.State(), c.Reason())
				}
			}
		}
	}
	for r := range Role(2) {
		own, _ := NewMachine(Opener, &Config{}, constReader(1))
		key := own.neg.key.PublicKey().Bytes()
		if c := withPeerKey(t, r, SuiteX25519SHA256, key); c.Reason() != PlainMirrored {
			t.Errorf("own key at %v: %v, %v", r, c.State(), c.Reason())
		}
		// Another key that begins like ours is as suspicious.
		key[31] ^= 1
		if c := withPeerKey(t, r, SuiteX25519SHA256, key); c.Reason() != PlainMirrored {
			t.Errorf("half of own key at %v: %v, %v", r, c.State(), c.Reason())
		}
	}
}

// withPeerKey returns a machine, with private key 01..01, that a peer has given
// a key to.
func withPeerKey(t *testing.T, r Role, suite SuiteID, key []byte) *Machine {
	t.Helper()
	c, err := NewMachine(r, &Config{Suites: []SuiteID{suite}}, constReader(1))
	if err != nil {
		t.Fatal(err)
	}
	c.PeerSYN(append([]byte{kindPermitted, 20, byte(suite)}, key[:17]...))
	c.Established(0, 1, 2)
	c.PeerACK(0, 0, append([]byte{kindPermitted, 18, 0}, key[17:]...), TCB{})
	return c
}

// TestNegotiationOrder has events in orders that a peer or a TCP could choose.
func TestNegotiationOrder(t *testing.T) {
	open := func(r Role) *Machine {
		c, err := NewMachine(r, &Config{}, constReader(1+r))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	syn := open(Opener).SYNOption(nil, 20)
	synack := append([]byte(nil), syn...)
	synack[5] ^= 1

	t.Run("no room in the SYN", func(t *testing.T) {
		c := open(Opener)
		if b := c.SYNOption(nil, 19); b != nil || c.Reason() != PlainNoRoom {
			t.Errorf("%x, %v", b, c.Reason())
		}
		if b := c.SYNOption(nil, 40); b != nil {
			t.Errorf("offers later: %x", b)
		}
	})
	t.Run("no room in the SYN-ACK", func(t *testing.T) {
		c := open(Acceptor)
		c.PeerSYN(syn)
		if b := c.SYNOption([]byte{1}, 19); len(b) != 1 || c.Reason() != PlainNoRoom {
			t.Errorf("%x, %v", b, c.Reason())
		}
	})
	t.Run("SYN-ACK without being asked", func(t *testing.T) {
		c := open(Acceptor)
		if b := c.SYNOption(nil, 20); b != nil {
			t.Errorf("%x", b)
		}
		c.Established(0, 1, 2)
		if c.Reason() != PlainNotOffered {
			t.Errorf("%v", c.Reason())
		}
	})
	t.Run("opener established without SYN-ACK", func(t *testing.T) {
		c := open(Opener)
		c.Established(0, 1, 2)
		if c.Reason() != PlainNotOffered {
			t.Errorf("%v", c.Reason())
		}
	})
	t.Run("acceptor without entropy", func(t *testing.T) {
		c, _ := NewMachine(Acceptor, &Config{}, failingReader{fmt.Errorf("none")})
		c.PeerSYN(syn)
		if c.State() != Plain {
			t.Errorf("%v", c.State())
		}
	})
	t.Run("second SYN", func(t *testing.T) {
		c := open(Acceptor)
		c.PeerSYN(syn)
		first := c.SYNOption(nil, 20)
		c.PeerSYN(synack)
		if c.State() != Offered || string(c.SYNOption(nil, 20)) != string(first) {
			t.Errorf("%v, another SYN-ACK", c.State())
		}
	})
	t.Run("simultaneous open", func(t *testing.T) {
		c := open(Opener)
		c.PeerSYN(synack)
		c.GivePlain(PlainSimultaneousOpen)
		c.Established(0, 1, 2)
		if c.State() != Plain || c.Reason() != PlainSimultaneousOpen || c.WantsACKs() {
			t.Errorf("%v, %v", c.State(), c.Reason())
		}
		c.GivePlain(PlainClosed)
		if c.Reason() != PlainSimultaneousOpen {
			t.Error("the first reason counts")
		}
	})
	t.Run("ACK before the handshake", func(t *testing.T) {
		c := open(Opener)
		if c.WantsACKs() || c.PeerACK(0, 0, keyRest(1), TCB{}) || c.ACKOption(nil, 40, TCB{}) != nil {
			t.Error("takes part")
		}
		if _, ok := c.Deadline(); ok {
			t.Error("deadline")
		}
	})
	t.Run("confirm before rest", func(t *testing.T) {
		d := newDialog(t, Opener, SuiteX25519SHA256)
		if d.take(keyConfirm(7)) {
			t.Error("answered")
		}
		d.want(Keying, PlainNone)
		d.exchange()
	})
	t.Run("SYN after the handshake", func(t *testing.T) {
		d := newDialog(t, Opener, SuiteX25519SHA256)
		d.c.PeerSYN(nil)
		d.c.Established(d.now, 7, 7)
		d.exchange()
	})
}

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
