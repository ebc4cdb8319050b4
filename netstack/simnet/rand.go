// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"hash/fnv"
	"io"
	"math/rand"
	randv2 "math/rand/v2"
	"sync"
)

// Source is a seeded source of random numbers that many goroutines may share.
// It serves as math/rand.Source64 and as io.Reader, the two forms in which
// gVisor takes randomness. It keeps no secret: simulations only.
type Source struct {
	mu  sync.Mutex
	pcg randv2.PCG
}

var (
	_ rand.Source64 = (*Source)(nil)
	_ io.Reader     = (*Source)(nil)
)

// Rand returns the source that belongs to the network's seed and a label, for any other
// part of a simulation that needs randomness.
func (n *Network) Rand(label string) *Source { return newSource(n.seed, "user "+label) }

// newSource returns the stream that belongs to (seed, label). Streams of
// different labels are independent, so that a new host or link doesn't shift
// the random numbers of the others.
func newSource(seed uint64, label string) *Source {
	h := fnv.New64a()
	_, _ = h.Write([]byte(label)) // a hash never fails
	s := &Source{}
	s.pcg.Seed(seed, h.Sum64())
	return s
}

// Uint64 implements rand.Source64.
func (s *Source) Uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pcg.Uint64()
}

// Int63 implements rand.Source.
func (s *Source) Int63() int64 { return int64(s.Uint64() >> 1) }

// Seed implements rand.Source.
func (s *Source) Seed(seed int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pcg.Seed(uint64(seed), 0)
}

// Read implements io.Reader; it never fails.
func (s *Source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(p); i += 8 {
		v := s.pcg.Uint64()
		for j := i; j < min(i+8, len(p)); j++ {
			p[j] = byte(v)
			v >>= 8
		}
	}
	return len(p), nil
}
