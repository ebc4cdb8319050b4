// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"io"
	"math"

	"github.com/mnet-dev/mnet/internal/measure/pattern"
)

// patternSeed makes all streams the same, so that either end can check any of them.
const patternSeed = 1

// streamAt is a stream from an offset on. It has no end.
func streamAt(offset int64) *pattern.Reader {
	r := pattern.New(patternSeed, math.MaxInt64)
	_, _ = r.Seek(offset, io.SeekStart) // fails before the start only
	return r
}

// bytesAt returns the n bytes of a stream from an offset on.
func bytesAt(offset int64, n int) []byte {
	b := make([]byte, n)
	_, _ = streamAt(offset).Read(b) // has no end
	return b
}

// check compares b with the bytes at the offset. The error is a pattern.ErrWrong.
func check(offset int64, b []byte) error { return pattern.NewChecker(streamAt(offset)).Check(b) }
