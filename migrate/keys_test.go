// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
)

// M233: A second Key-Rest that differs from the first MUST end the negotiation.
func TestKeyRestInconsistent(t *testing.T) {
	for r := range Role(2) {
		d := newDialog(t, r, SuiteX25519SHA256)
		d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
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
//
// M231: An all-zero secret MUST end the negotiation.
//
// M232: A peer key equal to the own one MUST end the negotiation.
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
		own, _ := NewMachine(Opener, &Config{}, new(Secret), constReader(1))
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
	c, err := NewMachine(r, &Config{Suites: []SuiteID{suite}}, new(Secret), constReader(1))
	if err != nil {
		t.Fatal(err)
	}
	c.PeerSYN(append([]byte{kindPermitted, 20, byte(suite)}, key[:17]...))
	c.Established(0, 1, 2)
	c.PeerACK(0, 0, append([]byte{kindPermitted, 24, 0, 1, 2, 3, 4, 5, 6}, key[17:]...), TCB{})
	return c
}
