// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"encoding/binary"
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

// TestNegotiationGarbled: whatever part of a key or tag a middlebox changes,
// the connection is plain TCP at the end that notices, and at the other.
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
		{"opener's Key-Rest", 3, kind(Opener, "ACK+Rest"), [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
		{"acceptor's Key-Rest", 3, kind(Acceptor, "ACK+Rest+Confirm"), [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
		{"acceptor's Key-Confirm", 27, kind(Acceptor, "ACK+Rest+Confirm"), [2]PlainReason{PlainUnconfirmed, PlainNoAnswer}},
	}
	for _, test := range tests {
		for _, suite := range keyed {
			t.Run(fmt.Sprintf("%s/%v", test.name, suite), func(t *testing.T) {
				v := variant{suite, FormatKinds, 28}
				w := newWorld(t, 1, [2]*Config{{Suites: []SuiteID{suite}}, {Suites: []SuiteID{suite}}})
				w.shape = flip(test.offset, test.filter)
				w.opener().connect()
				w.checkPlain(v, test.reason)
			})
		}
	}

	// The opener has confirmed when its own Key-Confirm is changed: it cannot
	// know, and its attempts will fail.
	v := usual
	w := v.world(t, 1)
	w.shape = flip(2, kind(Opener, "ACK+Confirm"))
	w.opener().connect()
	w.runFor(20 * time.Second)
	if o, a := w.opener().conn, w.acceptor().conn; o.State() != Confirmed || a.Reason() != PlainUnconfirmed {
		t.Errorf("opener's Key-Confirm: %v, %v", o.State(), a.Reason())
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

// dialog drives one machine of a default negotiation by hand.
type dialog struct {
	t    *testing.T
	c    *Conn
	peer *Conn // whose options are real
	now  Time
}

func newDialog(t *testing.T, r Role, suite SuiteID) *dialog {
	cfg := &Config{Suites: []SuiteID{suite}}
	d := &dialog{t: t}
	var conns [2]*Conn
	for r := range conns {
		c, err := NewConn(Role(r), cfg, constReader(r+1))
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
	return d.c.PeerACK(d.now, 0, opts)
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
		d.peer.PeerACK(d.now, 0, d.c.ACKOption(nil, 40, TCB{}))
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

// lingering returns a dialog whose machine has confirmed and does not know
// whether the peer has.
func lingering(t *testing.T, r Role, suite SuiteID) *dialog {
	t.Helper()
	d := newDialog(t, r, suite)
	d.peer.PeerACK(0, 0, d.c.ACKOption(nil, 40, TCB{})) // Key-Rest
	if !d.take(d.peer.ACKOption(nil, 40, TCB{})) {      // Key-Rest, Key-Confirm
		t.Fatal("not answered")
	}
	d.want(Confirmed, PlainNone)
	return d
}

// TestConfirmedForGood: once an end has confirmed, no segment undoes that.
func TestConfirmedForGood(t *testing.T) {
	for _, suite := range []SuiteID{SuiteX25519SHA1, SuiteX25519SHA256} {
		for r := range Role(2) {
			d := lingering(t, r, suite)
			for _, bad := range [][]byte{keyRest(7), keyConfirm(7), concat(keyRest(7), keyConfirm(7))} {
				if d.take(bad) {
					t.Errorf("answers %x", bad)
				}
				d.want(Confirmed, PlainNone)
			}
		}
	}
}

// TestLinger: an end that has confirmed answers a peer that has not, a bounded
// number of times and for a bounded time, and says nothing otherwise.
func TestLinger(t *testing.T) {
	for r := range Role(2) {
		d := lingering(t, r, SuiteX25519SHA256)
		begin := d.now
		if o := d.c.ACKOption(nil, 40, TCB{}); len(o) != 10 {
			t.Errorf("answers with %x", o)
		}
		if o := d.c.ACKOption(nil, 40, TCB{}); o != nil {
			t.Errorf("%x in answer to nothing", o)
		}
		repeated := d.peer.ACKOption(nil, 40, TCB{})
		answers := 0
		for range 8 {
			if !d.c.WantsACKs() {
				t.Fatalf("forgets after %v", d.now.Sub(begin))
			}
			if d.take(repeated) {
				answers++
				if o := d.c.ACKOption(nil, 40, TCB{}); len(o) != 10 {
					t.Errorf("answers with %x", o)
				}
			}
		}
		if answers != maxFollowUps-1 {
			t.Errorf("%d answers", answers+1)
		}
		// Beyond the bound the answer still rides on what goes out anyway.
		if o := d.c.ACKOption(nil, 40, TCB{}); len(o) != 10 {
			t.Errorf("%x on an ACK", o)
		}
		at, ok := d.c.Deadline()
		if !ok || at.Sub(begin) != lingerTime {
			t.Errorf("lingers for %v", at.Sub(begin))
		}
		if acts := d.c.Timer(at, TCB{}); len(acts) != 0 || d.c.WantsACKs() {
			t.Errorf("after that: %+v", acts)
		}
		d.want(Confirmed, PlainNone)
		if d.take(repeated) {
			t.Error("answers after that")
		}
	}
}

// TestLingerDone: the peer's word that it has confirmed ends it at once.
func TestLingerDone(t *testing.T) {
	for r := range Role(2) {
		d := lingering(t, r, SuiteX25519SHA256)
		d.exchange()
		if d.c.WantsACKs() && d.peer.WantsACKs() {
			t.Error("both ends linger")
		}
	}
}

// TestRepliesBounded: a peer or middlebox that repeats a key half for ever does
// not make this end do so.
func TestRepliesBounded(t *testing.T) {
	for r := range Role(2) {
		for _, every := range []time.Duration{time.Microsecond, minReplyInterval, 500 * time.Millisecond} {
			d := newDialog(t, r, SuiteX25519SHA256)
			rest := d.peer.ACKOption(nil, 40, TCB{})
			replies := 0
			for range 1000 {
				d.now = d.now.Add(every)
				if d.c.PeerACK(d.now, 0, rest) {
					replies++
				}
			}
			want := maxFollowUps
			if every == time.Microsecond {
				want = 1
			}
			if replies != want {
				t.Errorf("%v: %d replies to one segment each %v, want %d", r, replies, every, want)
			}
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
		own, _ := NewConn(Opener, &Config{}, constReader(1))
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
func withPeerKey(t *testing.T, r Role, suite SuiteID, key []byte) *Conn {
	t.Helper()
	c, err := NewConn(r, &Config{Suites: []SuiteID{suite}}, constReader(1))
	if err != nil {
		t.Fatal(err)
	}
	c.PeerSYN(append([]byte{kindPermitted, 20, byte(suite)}, key[:17]...))
	c.Established(0, 1, 2)
	c.PeerACK(0, 0, append([]byte{kindPermitted, 18, 0}, key[17:]...))
	return c
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

// TestNegotiationOrder has events in orders that a peer or a TCP could choose.
func TestNegotiationOrder(t *testing.T) {
	open := func(r Role) *Conn {
		c, err := NewConn(r, &Config{}, constReader(1+r))
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
		c, _ := NewConn(Acceptor, &Config{}, failingReader{fmt.Errorf("none")})
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
		if c.WantsACKs() || c.PeerACK(0, 0, keyRest(1)) || c.ACKOption(nil, 40, TCB{}) != nil {
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

// TestKeyOptionsTakeTurns: with room for one of them only, Key-Rest and
// Key-Confirm do not starve each other; with less room nothing is sent and
// nothing lost.
func TestKeyOptionsTakeTurns(t *testing.T) {
	for _, room := range []int{18, 27} {
		d := newDialog(t, Acceptor, SuiteX25519SHA256)
		d.take(d.peer.ACKOption(nil, 40, TCB{}))
		var rests, confirms int
		for range 10 {
			switch o := d.c.ACKOption(nil, room, TCB{}); len(o) {
			case 18:
				rests++
			case 10:
				confirms++
			default:
				t.Errorf("%d bytes of room: %x", room, o)
			}
		}
		if rests != 5 || confirms != 5 {
			t.Errorf("%d bytes of room: %d Key-Rest, %d Key-Confirm", room, rests, confirms)
		}
	}
	for _, room := range []int{0, 9} {
		d := newDialog(t, Acceptor, SuiteX25519SHA256)
		d.take(d.peer.ACKOption(nil, 40, TCB{}))
		for range 10 {
			if o := d.c.ACKOption(nil, room, TCB{}); o != nil {
				t.Errorf("%d bytes of room: %x", room, o)
			}
		}
		d.exchange()
	}
	// SACK blocks leave room for Key-Confirm only.
	d := newDialog(t, Acceptor, SuiteX25519SHA256)
	d.take(d.peer.ACKOption(nil, 40, TCB{}))
	a, b := d.c.ACKOption(nil, 16, TCB{}), d.c.ACKOption(nil, 16, TCB{})
	if len(a)+len(b) != 10 {
		t.Errorf("16 bytes of room: %x, %x", a, b)
	}
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
		if err := o.conn.BindKey([]byte("something else")); err != ErrBusy && err != nil {
			t.Fatal(err)
		}
		w.runFor(time.Minute)
		if err := o.conn.BindKey([]byte("something else")); err != nil {
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
		if err := o.results[len(o.results)-1]; err != ErrNoAnswer || a.counts[CountUnknownToken] == 0 {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// TestRequestConfirms: who asks for a migration has all keys. The end that it
// asks needs no Key-Confirm any more, and does not give up when its follow-ups
// are used up while a path is on trial.
func TestRequestConfirms(t *testing.T) {
	for _, v := range variants {
		if !v.suite.hasKey() {
			continue
		}
		w := v.world(t, 1)
		o, a := w.opener(), w.acceptor()
		lost := lose(Opener, "ACK+Confirm", every()...)
		w.shape = lost
		o.connect()
		w.runUntil("opener confirmed", time.Second, func() bool { return o.conn.State() == Confirmed })
		w.runUntil("acceptor tries", 11*time.Second, func() bool { return a.answers == maxFollowUps })
		if a.conn.State() != Ready {
			t.Fatalf("%v: %v", v, a.conn.State())
		}
		w.shape = lose(Opener, "ACK+Migrate", every()...)
		if err := o.start(2, true); err != nil {
			t.Fatal(err)
		}
		w.runUntil("acceptor confirmed", time.Second, func() bool { return a.conn.State() == Confirmed })
		w.runFor(20 * time.Second)
		w.shape = nil
		w.migrate(o)
	}
}
