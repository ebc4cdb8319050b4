// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"bytes"
	"errors"
	"math/rand/v2"
)

// errWrong is the error of a receiver that has got a wrong byte.
var errWrong = errors.New("a byte of the stream is wrong")

// pattern repeats in all streams. Its length is a prime, so that bytes which are
// moved by a power of two are wrong.
var pattern = func() []byte {
	b := make([]byte, 65521)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

// patternAt returns some of the bytes from an offset on, at most max and at least
// one.
func patternAt(offset int64, max int) []byte {
	b := pattern[offset%int64(len(pattern)):]
	return b[:min(len(b), max)]
}

// check compares b with the pattern at the offset.
func check(offset int64, b []byte) error {
	for len(b) > 0 {
		want := patternAt(offset, len(b))
		if !bytes.Equal(b[:len(want)], want) {
			return errWrong
		}
		b, offset = b[len(want):], offset+int64(len(want))
	}
	return nil
}
