// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

func TestReader(t *testing.T) {
	const size = 1<<12 + 5
	all, err := io.ReadAll(New(1, size))
	if err != nil || len(all) != size {
		t.Fatalf("%d bytes, %v", len(all), err)
	}
	if err := iotest.TestReader(New(1, size), all); err != nil {
		t.Error(err)
	}
	for _, at := range []int64{1, 8, 13, size - 1, size} {
		c := New(1, size)
		if _, err := c.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(iotest.OneByteReader(c))
		if err != nil || !bytes.Equal(got, all[at:]) {
			t.Errorf("from %d, byte by byte: not what is there when all is read at once (%v)", at, err)
		}
	}
}

func TestDependsOnSeed(t *testing.T) {
	const size = 1 << 10
	read := func(seed uint64) []byte {
		b, err := io.ReadAll(New(seed, size))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if a := read(1); bytes.Contains(read(2), a[:16]) || bytes.Contains(a, read(2)[:16]) {
		t.Error("seed 2 has bytes of seed 1")
	}
	if !bytes.Equal(read(7), read(7)) {
		t.Error("the same seed gives other bytes")
	}
}

func TestSeek(t *testing.T) {
	c := New(1, 100)
	for _, s := range []struct {
		offset int64
		whence int
		want   int64
	}{{10, io.SeekStart, 10}, {5, io.SeekCurrent, 15}, {-3, io.SeekEnd, 97}, {0, io.SeekEnd, 100}} {
		if got, err := c.Seek(s.offset, s.whence); err != nil || got != s.want {
			t.Errorf("Seek(%d, %d) = %d, %v, want %d", s.offset, s.whence, got, err, s.want)
		}
	}
	if _, err := c.Seek(-1, io.SeekStart); err == nil {
		t.Error("went before the start")
	}
}
