// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// flip changes one bit of an option's content in the packets that a filter
// names.
func flip(offset int, filter func(p *packet) bool) func(*packet) []time.Duration {
	return func(p *packet) []time.Duration {
		if filter(p) && len(p.Options) > 0 {
			p.Options = slices.Clone(p.Options)
			p.Options[offset] ^= 0x10
		}
		return pass
	}
}

// TestNegotiationGarbled: a middlebox changes any part of a key or tag. The connection
// is plain TCP at the end that notices, and at the other.
//
// M203: A SYN-ACK with another suite than offered, or an unknown one, MUST end the
// negotiation.
//
// M234: A Key-Confirm that matches neither tag MUST end the negotiation.
//
// M235: When the negotiation has ended, the connection MUST stay plain TCP.
func TestNegotiationGarbled(t *testing.T) {
	keyed := []SuiteID{SuiteX25519SHA1, SuiteX25519SHA256}
	syn := func(p *packet) bool { return p.SYN && !p.ACK }
	synack := func(p *packet) bool { return p.SYN && p.ACK }
	kind := func(r Role, kind string) func(*packet) bool {
		return func(p *packet) bool { return p.from() == r && p.kind() == kind }
	}
	tests := []struct {
		name   string
		offset int
		filter func(*packet) bool
		reason [2]PlainReason
	}{
		{"suite in SYN", 2, syn, [2]PlainReason{PlainNotOffered, PlainSuite}},
		{"suite in SYN-ACK", 2, synack, [2]PlainReason{PlainSuite, PlainNoAnswer}},
		{"key in SYN", 3, syn, [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
		{"key in SYN-ACK", 19, synack, [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
		{"opener's Key-Rest", 9, kind(Opener, "ACK+Rest"), [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
		{"acceptor's Key-Rest", 9, kind(Acceptor, "ACK+Rest+Confirm"), [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
		{"acceptor's Key-Confirm", 33, kind(Acceptor, "ACK+Rest+Confirm"), [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
	}
	for _, test := range tests {
		for _, suite := range keyed {
			t.Run(fmt.Sprintf("%s/%v", test.name, suite), func(t *testing.T) {
				v := variant{suite, FormatKinds, 40}
				w := v.world(t, 1)
				w.shape = flip(test.offset, test.filter)
				w.opener().connect()
				w.checkPlain(v, test.reason)
			})
		}
	}

	// The opener has confirmed when its own Key-Confirm is changed: it cannot
	// know, and its attempts will fail.
	v := roomy
	w := v.world(t, 1)
	w.shape = flip(2, kind(Opener, "ACK+Confirm"))
	w.opener().connect()
	w.runFor(20 * time.Second)
	if o, a := w.opener().conn, w.acceptor().conn; o.State() != Confirmed || a.Reason() != PlainUnconfirmed {
		t.Errorf("opener's Key-Confirm: %v, %v", o.State(), a.Reason())
	}
}

// TestShareGarbled: a middlebox changes what the ends can do, or the bytes that are new
// for each connection.
//
// M107: The flags of Key-Rest are capabilities. A capability MUST NOT be used unless
// both ends have set it and the suite is 0x02. An end MUST NOT set a flag that it does
// not know.
//
// M108: Key-Rest MUST carry 6 random bytes that are new for each connection.
func TestShareGarbled(t *testing.T) {
	for _, r := range []Role{Opener, Acceptor} {
		for _, offset := range []int{2, 3, 8} {
			w := usual.world(t, 1)
			w.shape = flip(offset, func(p *packet) bool { return p.from() == r && p.kind() == "ACK+Rest" })
			w.opener().connect()
			w.runFor(20 * time.Second)
			for _, e := range w.ends {
				if e.conn.State() != Plain || e.conn.Capabilities() != 0 {
					t.Errorf("byte %d of %v: %v is %v", offset, r, e.role, e.conn.State())
				}
			}
		}
	}
}

// TestCapabilities: an end uses what both can do.
func TestCapabilities(t *testing.T) {
	for _, v := range variants {
		w := v.world(t, 1)
		w.opener().connect()
		w.opener().conn.setFlags(0b0110)
		w.runUntil("SYN", time.Second, func() bool { return w.acceptor().conn != nil })
		w.acceptor().conn.setFlags(0b1100)
		w.runUntil("confirmed", time.Second, w.confirmed)
		want := Capabilities(0b0100)
		if !v.suite.rolling() {
			want = 0
		}
		for _, e := range w.ends {
			if got := e.conn.Capabilities(); got != want {
				t.Errorf("%v: %v has %b", v, e.role, got)
			}
		}
	}
}

// setFlags sets the capabilities of this end.
func (m *Machine) setFlags(flags byte) {
	if m.neg != nil {
		m.neg.own.flags = flags
	}
}

// TestFreshKeys: two connections with the same keys at both ends have no token in common.
func TestFreshKeys(t *testing.T) {
	var shares [2]keyShare
	seen := make(map[Token]bool)
	for i := range byte(10) {
		shares[Acceptor].fresh[5] = i
		k, err := newKeys(SuiteX25519SHA256, Opener, make([]byte, 32), shares[0], shares[1], 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		for r := range Role(2) {
			if tok := k.token(r, 1); seen[tok] {
				t.Fatal("a token twice")
			} else {
				seen[tok] = true
			}
		}
	}
}

// TestNegotiationMirrored: middleboxes that send back options which they do not
// know, in front of a server that does not know them either.
func TestNegotiationMirrored(t *testing.T) {
	for _, v := range variants {
		t.Run(v.String(), func(t *testing.T) {
			w := v.world(t, 1)
			w.acceptor().plain = true
			var last []byte
			w.shape = func(p *packet) []time.Duration {
				if p.from() == Opener {
					last = p.Options
				} else {
					p.Options = last
				}
				return pass
			}
			w.opener().connect()
			w.runUntil("open", time.Second, func() bool { return w.acceptor().open })
			w.acceptor().write(1)
			w.runFor(20 * time.Second)
			c := w.opener().conn
			if !v.suite.hasKey() {
				// It cannot know: its attempts will fail.
				if c.State() != Confirmed {
					t.Errorf("%v", c.State())
				}
				return
			}
			if c.State() != Plain || c.Reason() != PlainMirrored || w.opener().err != nil {
				t.Errorf("%v, %v, %v", c.State(), c.Reason(), w.opener().err)
			}
		})
	}
}

// TestISNRewritten: a middlebox that gives the connection other initial
// sequence numbers.
func TestISNRewritten(t *testing.T) {
	for _, v := range variants {
		for _, whose := range []Role{Opener, Acceptor} {
			t.Run(fmt.Sprintf("%v/%d", v, whose), func(t *testing.T) {
				w := v.world(t, 1)
				const shift = 0x12345678
				w.shape = func(p *packet) []time.Duration {
					if p.from() == whose {
						p.Seq += shift
					} else if p.ACK {
						p.Ack -= shift
					}
					return pass
				}
				w.opener().connect()
				w.runUntil("open", time.Second, func() bool { return w.acceptor().open })
				w.opener().write(10)
				w.acceptor().write(10)
				w.runFor(20 * time.Second)
				o, a := w.opener().conn, w.acceptor().conn
				switch v.suite {
				case SuiteX25519SHA256:
					if !w.confirmed() {
						t.Errorf("%v, %v", o.State(), a.State())
					}
					w.checkAgreement()
				case SuiteX25519SHA1:
					if o.Reason() != PlainUnconfirmed || a.State() != Plain {
						t.Errorf("%v, %v and %v, %v", o.State(), o.Reason(), a.State(), a.Reason())
					}
				case SuiteNull:
					if !w.confirmed() || o.Tokens()[0] == a.Tokens()[0] {
						t.Errorf("%v, %v: one token", o.State(), a.State())
					}
				}
				for _, e := range w.ends {
					if e.err != nil || e.sndUna != e.sndNxt {
						t.Errorf("%v: %v, %d bytes not acknowledged", e.role, e.err, e.sndNxt-e.sndUna)
					}
				}
			})
		}
	}
}

// TestKeysOutOfSequence: key options at another place than RCV.NXT change nothing and
// are not answered.
//
// M317: Key options MUST be taken from a segment with SEQ = RCV.NXT only.
func TestKeysOutOfSequence(t *testing.T) {
	for r := range Role(2) {
		for _, state := range []NegotiationState{Keying, Ready} {
			d := newDialog(t, r, SuiteX25519SHA256)
			if state == Ready {
				d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
			}
			right := d.peer.ACKOption(nil, 40, 0, TCB{})
			for _, seq := range []uint32{1, 1000, 1 << 31, ^uint32(0)} {
				for _, o := range [][]byte{keyRest(7), keyConfirm(7), concat(keyRest(7), keyConfirm(7)), right} {
					if d.c.PeerACK(d.now, seq, o, TCB{}) {
						t.Errorf("%v at RCV.NXT%+d: answers %x", r, int32(seq), o)
					}
					d.want(state, PlainNone)
				}
			}
			d.exchange()
		}
	}
}
