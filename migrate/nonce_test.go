// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package migrate

import (
	"testing"
	"time"
)

// TestNonceAge: nonces count for one tick and the next, wherever the clock is.
//
// M228: A nonce MUST count in its tick and in the next one only.
func TestNonceAge(t *testing.T) {
	s := &Secret{1, 2, 3}
	at := tuple(1, 2)
	const tick = time.Duration(nonceTick)
	if _, ok := s.again(0, at, Proof{Open: 7 << classBits}); ok {
		t.Error("a nonce from before the clock began")
	}
	for _, start := range []Time{0, nonceTick - 1, nonceTick, 7 * nonceTick, 8*nonceTick + 5, 255 * nonceTick, 1 << 62} {
		n := s.nonce(start, at, 7, 9, testMSS)
		p := Proof{ReqNo: 9, Token: 7, Open: n.open()}
		left := tick - time.Duration(start%nonceTick) // of the first tick
		for _, test := range []struct {
			after time.Duration
			want  bool
		}{
			{0, true},
			{left + tick - 1, true},
			{left + tick, false},
			{left + 6*tick, false},
			{left + 7*tick, false}, // the low bits are the same again
		} {
			got, ok := s.again(start.Add(test.after), at, p)
			if valid := ok && got == n; valid != test.want {
				t.Errorf("nonce of %v: %v later valid %v", time.Duration(start), test.after, valid)
			}
		}
		if start > 0 {
			early := start - 2*nonceTick
			if got, ok := s.again(max(early, 0), at, p); ok && got == n && early >= 0 {
				t.Errorf("nonce of %v is valid before it was made", time.Duration(start))
			}
		}
	}
}

// TestNonceSource: the closed bytes depend on the secret, which no peer has, and on all
// that the nonce is for.
//
// M224: The 5 closed bytes of a nonce MUST be the first ones of this value. The secret is
// 32 random bytes that never leave the stack.
func TestNonceSource(t *testing.T) {
	var zero Secret
	now := Time(time.Hour)
	n := zero.nonce(now, tuple(1, 2), 7, 9, testMSS)
	const closed = 1<<40 - 1
	if n&closed == 0 {
		t.Error("a secret that was never set makes a nonce that can be guessed")
	}
	for i := range zero {
		other := zero
		other[i] = 1
		if m := other.nonce(now, tuple(1, 2), 7, 9, testMSS); m&closed == n&closed || m.open() != n.open() {
			t.Errorf("byte %d of the secret: %012x, was %012x", i, m, n)
		}
	}
	for name, m := range map[string]nonce{
		"local address":  zero.nonce(now, tuple(3, 2), 7, 9, testMSS),
		"remote address": zero.nonce(now, tuple(1, 3), 7, 9, testMSS),
		"token":          zero.nonce(now, tuple(1, 2), 8, 9, testMSS),
		"ReqNo":          zero.nonce(now, tuple(1, 2), 7, 8, testMSS),
		"tick":           zero.nonce(now+8*nonceTick, tuple(1, 2), 7, 9, testMSS),
		"MSS class":      zero.nonce(now, tuple(1, 2), 7, 9, 536),
	} {
		if m&closed == n&closed {
			t.Errorf("%s makes no difference", name)
		}
	}
	// Each bit of the open byte counts, too.
	for bit := range 8 {
		p := Proof{ReqNo: 9, Token: 7, Open: n.open() ^ 1<<bit}
		if m, ok := zero.again(now, tuple(1, 2), p); ok && m&closed == n&closed {
			t.Errorf("bit %d of the open byte makes no difference", bit)
		}
	}
}

// TestMSSClasses: no class is above the MSS that it stands for, and few bytes are lost.
//
// M229: The open byte MUST hold the tick's low 3 bits. Below them is the class of the
// largest of these MSS values that is not above the SYN's, or else the first.
func TestMSSClasses(t *testing.T) {
	for i, c := range mssClasses {
		if i > 0 && c <= mssClasses[i-1] {
			t.Errorf("class %d is %d", i, c)
		}
	}
	for mss := range 1 << 16 {
		got := classMSS(mssClass(uint16(mss)))
		switch {
		case mss < 536:
			if got != 536 {
				t.Errorf("%d becomes %d", mss, got)
			}
		case int(got) > mss:
			t.Errorf("%d becomes %d", mss, got)
		case mss >= 1220 && mss <= 1500 && mss-int(got) > mss/50:
			t.Errorf("%d becomes %d, more than 2 %% less", mss, got)
		}
	}
}
