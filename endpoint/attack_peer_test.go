// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
)

// liar is a peer that has all keys of its connection, and pretends to be at an address
// where it is not. It uses the null suite, whose keys are no secret.
type liar struct {
	*victim
	ni, nj uint32
	seq    uint32 // the client's SND.NXT
	rcv    uint32 // and its RCV.NXT
}

func newLiar(t *testing.T) *liar {
	v := newVictim(t, rigConfig{}, migrate.SuiteNull)
	at := sequenceOf(v.c)
	return &liar{v, at.nxt - 1, at.rcv - 1, at.nxt, at.rcv}
}

// asks sends the client's request with a number from mallory's address.
func (l *liar) asks(reqNo uint8) {
	o := nullOption(l.ni, l.nj, l.seq-1, reqNo).encode()
	syn := []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 3, 3, 7}
	l.mallory.plays(segment{
		src: l.mallory.local, dst: l.mallory.remote, seq: l.seq - 1, flags: fSYN, opts: append(syn, o...),
	})
}

// third is the client's third ACK with a nonce.
func (l *liar) third(reqNo uint8, nonce [6]byte) segment {
	const cover = 1
	token := binary.BigEndian.AppendUint64(nil, nullOption(l.ni, l.nj, 0, reqNo).token)
	rcv := binary.BigEndian.AppendUint32(nil, l.rcv-l.nj)

	b := binary.BigEndian.AppendUint32(nil, l.ni)
	b = binary.BigEndian.AppendUint32(b, l.nj)
	b = append(b, make([]byte, 25)...)
	b = append(b, "proof\x00"...)
	b = binary.BigEndian.AppendUint64(b, uint64(reqNo))
	b = append(b, 0, cover)
	b = binary.BigEndian.AppendUint32(b, l.seq-l.ni)
	b = append(append(b, rcv...), 0, 0)
	tag := sha1.Sum(append(b, nonce[:]...))

	o := append([]byte{kindMigrate, 26, reqNo, 0, cover, nonce[0]}, rcv...)
	o = append(append(o, token...), tag[:8]...)
	return segment{src: l.mallory.local, dst: l.mallory.remote, seq: l.seq, ack: l.rcv, flags: fACK, opts: o}
}

// answer returns the nonce of the SYN-ACK that has come.
func (l *liar) answer() (nonce [6]byte) {
	l.tb.Helper()
	for _, s := range l.mallory.takes() {
		if i := bytes.Index(s.opts, []byte{kindMigrate, 19}); s.flags == fSYNACK && i >= 0 {
			copy(nonce[:], s.opts[i+7:])
			return nonce
		}
	}
	l.tb.Fatal("no SYN-ACK")
	return nonce
}

// TestPeerGuessesNonce has a peer with all keys ask from an address where it does not
// receive, and guess the nonce. It knows the responder's clock, the open byte, and the
// nonce of another request. Data behind that is not taken either, and nothing is sent
// there beside the answer to the SYN.
//
// M224: The 5 closed bytes of a nonce MUST be the first ones of this value. The secret is
// 32 random bytes that never leave the stack.
//
// M531: A third ACK with a known token MUST be dropped without an answer if its tag or its
// nonce is wrong. That MUST cost neither state nor allocation.
func TestPeerGuessesNonce(t *testing.T) {
	l := newLiar(t)
	go l.s.Write(make([]byte, 8<<20)) // all of which the liar wants to go elsewhere
	l.sleep(time.Second)
	l.asks(1)
	nonce := l.answer()
	before := l.s.RemoteAddr().String()
	rng := rand.New(rand.NewPCG(1, 2))
	const guesses = 10_000
	for i := range guesses {
		guess := nonce
		if i < 40 {
			guess[1+i/8] ^= 1 << (i % 8)
		} else {
			binary.BigEndian.PutUint32(guess[2:], rng.Uint32())
			guess[1] = byte(i)
		}
		if l.mallory.puts(l.third(1, guess)); i%100 == 0 {
			l.sleep(answerTime) // the link's queue has an end
		}
	}
	l.mallory.plays(l.third(2, nonce)) // of another request
	l.mallory.plays(l.third(1, nonce), withSource(l.mallory.at(667).local))
	l.mallory.wantsNothing("guesses")
	l.mallory.plays(l.third(1, [6]byte{}), func(s *segment) { s.payload = []byte("I am your neighbour") })
	l.mallory.takes() // a RST, as for any segment without a connection
	if now := l.s.RemoteAddr().String(); now != before {
		t.Errorf("moved to %v", now)
	}
	if n := counts(l.server, migrate.CountUnproven); n < guesses {
		t.Errorf("unproven: %d", n)
	}
}

// TestPeerReceivesNonce is what TestPeerGuessesNonce would be with the right nonce: it
// shows that nothing else keeps that from moving.
func TestPeerReceivesNonce(t *testing.T) {
	l := newLiar(t)
	go io.Copy(io.Discard, l.c)
	l.asks(1)
	l.mallory.plays(l.third(1, l.answer()))
	if now := l.s.RemoteAddr().String(); now != l.mallory.local.String() {
		t.Errorf("at %v", now)
	}
}

// TestNonceExpires: a third ACK that comes two ticks later proves nothing any more.
//
// M228: A nonce MUST count in its tick and in the next one only.
func TestNonceExpires(t *testing.T) {
	for after, want := range map[time.Duration]bool{time.Minute: true, 129 * time.Second: false} {
		l := newLiar(t)
		l.asks(1)
		nonce := l.answer()
		l.sleep(after)
		l.mallory.plays(l.third(1, nonce))
		if moved := l.s.RemoteAddr().String() == l.mallory.local.String(); moved != want {
			t.Errorf("%v later: moved %v", after, moved)
		}
	}
}
