// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// lingering returns a dialog whose machine has confirmed and does not know
// whether the peer has.
func lingering(t *testing.T, r Role, suite SuiteID) *dialog {
	t.Helper()
	d := newDialog(t, r, suite)
	d.peer.PeerACK(0, 0, d.c.ACKOption(nil, 40, 0, TCB{}), TCB{}) // Key-Rest
	if !d.take(d.peer.ACKOption(nil, 40, 0, TCB{})) {             // Key-Rest, Key-Confirm
		t.Fatal("not answered")
	}
	d.want(Confirmed, PlainNone)
	return d
}

// TestConfirmedForGood: once an end has confirmed, no segment undoes that.
//
// M236: After an end has confirmed, M231 to M234 MUST NOT end anything.
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

// TestLinger: an end that has confirmed answers a peer that has not. It does so a
// bounded number of times and for a bounded time, and says nothing otherwise.
//
// M314: An end that has confirmed MUST send Key-Confirm in answer only.
//
// M315: An end that has confirmed MUST forget the exchange when it gets done = 1, else
// after lingerTime.
func TestLinger(t *testing.T) {
	for r := range Role(2) {
		d := lingering(t, r, SuiteX25519SHA256)
		begin := d.now
		if o := d.c.ACKOption(nil, 40, 0, TCB{}); len(o) != 10 {
			t.Errorf("answers with %x", o)
		}
		d.c.neg.keyACKs = 0 // that few have been sent is no reason
		if o := d.c.ACKOption(nil, 40, 0, TCB{}); o != nil {
			t.Errorf("%x in answer to nothing", o)
		}
		repeated := d.peer.ACKOption(nil, 40, 0, TCB{})
		answers := 0
		for range 8 {
			if !d.c.WantsACKs() {
				t.Fatalf("forgets after %v", d.now.Sub(begin))
			}
			if d.take(repeated) {
				answers++
				if o := d.c.ACKOption(nil, 40, 0, TCB{}); len(o) != 10 {
					t.Errorf("answers with %x", o)
				}
			}
		}
		if answers != maxFollowUps-1 {
			t.Errorf("%d answers", answers+1)
		}
		// Beyond the bound, the answer does not ride on segments that TCP needs.
		if o := d.c.ACKOption(nil, 40, 0, TCB{}); o != nil {
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

// TestRepliesBounded: a peer or middlebox that repeats a key half forever does not make
// this end do so.
//
// M311: Key-Rest, or a Key-Confirm with done = 0, MUST be answered at once, at most
// maxFollowUps times.
//
// M312: A segment that tells nothing new MUST NOT be answered within minReplyInterval
// of the last answer.
func TestRepliesBounded(t *testing.T) {
	for r := range Role(2) {
		for _, every := range []time.Duration{time.Microsecond, minReplyInterval, 500 * time.Millisecond} {
			d := newDialog(t, r, SuiteX25519SHA256)
			rest := d.peer.ACKOption(nil, 40, 0, TCB{})
			replies := 0
			for range 1000 {
				d.now = d.now.Add(every)
				if d.c.PeerACK(d.now, 0, rest, TCB{}) {
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

// TestKeyOptionsTakeTurns: with room for one of them only, Key-Rest and
// Key-Confirm do not starve each other; with less room nothing is sent and
// nothing lost.
//
// M302: SACK blocks MUST go first: Key-Rest and Key-Confirm take the room that is
// left.
//
// M305: If there is room for one of them only, Key-Rest and Key-Confirm MUST take
// turns.
func TestKeyOptionsTakeTurns(t *testing.T) {
	for _, room := range []int{24, 28, 33} {
		d := newDialog(t, Acceptor, SuiteX25519SHA256)
		d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
		var rests, confirms int
		for range 5 {
			d.now, _ = d.c.Deadline()
			d.c.Timer(d.now, TCB{})
			switch o := d.c.ACKOption(nil, room, 0, TCB{}); len(o) {
			case 24:
				rests++
			case 10:
				confirms++
			default:
				t.Errorf("%d bytes of room: %x", room, o)
			}
		}
		if rests != 3 || confirms != 2 {
			t.Errorf("%d bytes of room: %d Key-Rest, %d Key-Confirm", room, rests, confirms)
		}
	}
	for _, room := range []int{0, 9} {
		d := newDialog(t, Acceptor, SuiteX25519SHA256)
		d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
		for range 10 {
			if o := d.c.ACKOption(nil, room, 0, TCB{}); o != nil {
				t.Errorf("%d bytes of room: %x", room, o)
			}
		}
		d.exchange()
	}
	// SACK blocks leave room for Key-Confirm only.
	d := newDialog(t, Acceptor, SuiteX25519SHA256)
	d.take(d.peer.ACKOption(nil, 40, 0, TCB{}))
	a, b := d.c.ACKOption(nil, 16, 0, TCB{}), d.c.ACKOption(nil, 16, 0, TCB{})
	if len(a)+len(b) != 10 {
		t.Errorf("16 bytes of room: %x, %x", a, b)
	}
}

// TestRequestConfirms: an end that asks for a migration has all keys. The end that it
// asks needs no Key-Confirm any more. It does not give up when its follow-ups are used
// up while a path is on trial.
//
// M316: A valid request to migrate MUST count as done = 1.
//
// M321: An end MUST accept requests from the moment it has published its tokens.
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
