// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"fmt"
	"testing"
)

// TestNegotiationOrder has events in orders that a peer or a TCP could choose.
//
// M335: The acceptor MUST go by the first SYN that it takes. A later one, with the
// option or without, is a repetition of that.
func TestNegotiationOrder(t *testing.T) {
	open := func(r Role) *Machine {
		c, err := NewMachine(r, &Config{}, new(Secret), constReader(1+r))
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
		c, _ := NewMachine(Acceptor, &Config{}, new(Secret), failingReader{fmt.Errorf("none")})
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
		if c.WantsACKs() || c.PeerACK(0, 0, keyRest(1), TCB{}) || c.ACKOption(nil, 40, 0, TCB{}) != nil {
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
