// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestChecker(t *testing.T) {
	const size = 100
	b, err := io.ReadAll(New(1, size))
	if err != nil {
		t.Fatal(err)
	}
	c := NewChecker(New(1, size))
	for _, part := range [][]byte{b[:3], b[3:3], b[3:60], b[60:]} {
		if err := c.Check(part); err != nil {
			t.Error(err)
		}
	}
	if err := c.Check(b[:1]); err == nil {
		t.Error("takes more than there is")
	}

	const seen = 5
	for _, at := range []int{seen, 50, size - 1} {
		c := NewChecker(New(1, size))
		if err := c.Check(b[:seen]); err != nil {
			t.Fatal(err)
		}
		rest := slices.Clone(b[seen:])
		rest[at-seen] ^= 1
		if err := c.Check(rest); err == nil || err.Error() != fmt.Sprintf("wrong byte at offset %d", at) {
			t.Errorf("changed at %d: %v", at, err)
		}
	}
}

func TestCheckerSeesShift(t *testing.T) {
	b, err := io.ReadAll(New(1, 1<<12))
	if err != nil {
		t.Fatal(err)
	}
	c := NewChecker(New(1, 1<<12))
	if err := c.Check(b[:1<<10]); err != nil {
		t.Fatal(err)
	}
	if c.Check(b[1<<11:]) == nil {
		t.Error("a hole was not noticed")
	}
}
