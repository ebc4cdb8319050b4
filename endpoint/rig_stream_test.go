// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"crypto/sha256"
	"hash"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// content writes n reproducible bytes to w and returns their hash.
func content(w io.Writer, seed uint64, n int64) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, err = io.CopyN(io.MultiWriter(w, h), src, n)
	return [sha256.Size]byte(h.Sum(nil)), err
}

// hashed is the result of reading or writing: length, hash, and the error that ended
// it.
type hashed struct {
	n   int64
	sum [sha256.Size]byte
	err error
}

// drainHash reads to the end.
func drainHash(r io.Reader) hashed {
	var h hash.Hash = sha256.New()
	n, err := io.Copy(h, r)
	return hashed{n, [sha256.Size]byte(h.Sum(nil)), err}
}

// stream carries reproducible bytes in one direction of a connection and checks
// that they arrive.
type stream struct {
	src, dst *Conn
	rnd      io.Reader
	sent     hash.Hash
	n        int64
	got      chan hashed
}

// newStream begins to read from dst.
func newStream(src, dst *Conn, seed byte) *stream {
	s := &stream{src: src, dst: dst, rnd: rand.NewChaCha8([32]byte{seed}), sent: sha256.New(), got: make(chan hashed, 1)}
	go func() { s.got <- drainHash(dst) }()
	return s
}

// send writes n bytes.
func (s *stream) send(tb testing.TB, n int64) {
	tb.Helper()
	clock := s.src.stack.Clock()
	s.src.SetWriteDeadline(clock.Now().Add(patience))
	m, err := io.CopyN(io.MultiWriter(s.src, s.sent), s.rnd, n)
	s.n += m
	if err != nil {
		tb.Errorf("write: %v", err)
	}
}

// sending is send on a goroutine. The function that it returns waits for the end.
func (s *stream) sending(tb testing.TB, n int64) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.send(tb, n)
	}()
	return func() { <-done }
}

// finish ends the stream and checks the data that has arrived.
func (s *stream) finish(tb testing.TB) {
	tb.Helper()
	if err := s.src.CloseWrite(); err != nil {
		tb.Errorf("close: %v", err)
	}
	s.check(tb)
}

// check waits for the end of a stream that has been closed.
func (s *stream) check(tb testing.TB) {
	tb.Helper()
	clock := s.src.stack.Clock().(*simnet.Clock)
	timeout := clock.NewTimer(patience)
	defer timeout.Stop()
	var got hashed
	select {
	case got = <-s.got:
	case <-timeout.C:
		tb.Errorf("stuck: %+v", s.src.Migration())
		s.dst.SetReadDeadline(clock.Now())
		got = <-s.got
	}
	if got.err != nil || got.n != s.n || got.sum != [sha256.Size]byte(s.sent.Sum(nil)) {
		tb.Errorf("got %d of %d bytes, %v, or not the bytes sent", got.n, s.n, got.err)
	}
}
