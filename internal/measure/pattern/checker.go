// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrWrong is the error of a [Checker] that has got another byte.
var ErrWrong = errors.New("wrong byte")

// Checker compares bytes that arrive with the bytes of a [Reader].
type Checker struct {
	from *Reader
	want []byte
}

// NewChecker returns a Checker that expects the bytes of from, from its offset on.
func NewChecker(from *Reader) *Checker { return &Checker{from: from} }

// Check compares b with the next bytes. The error is an [ErrWrong] that says where
// the first wrong byte is.
func (c *Checker) Check(b []byte) error {
	if len(c.want) < len(b) {
		c.want = make([]byte, len(b))
	}
	at := c.from.pos
	n, _ := io.ReadFull(c.from, c.want[:len(b)]) // its only error is the end
	want := c.want[:n]
	if bytes.Equal(b, want) {
		return nil
	}
	i := 0
	for i < n && b[i] == want[i] {
		i++
	}
	return fmt.Errorf("%w at offset %d", ErrWrong, at+int64(i))
}
