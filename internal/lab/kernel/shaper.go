// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"math/rand/v2"
	"time"
)

// fate is the way in which a packet leaves a wire, or does not.
type fate int

const (
	passes fate = iota
	queueFull
	lost
)

// shaper computes when packets come out of one direction of a wire. It has no clock:
// the caller gives the time, which must not run backwards.
type shaper struct {
	cfg  WireConfig
	rng  *rand.Rand
	busy time.Duration // when the sender will have sent all it has accepted
	last time.Duration // when the last packet arrives: the wire never reorders
}

func newShaper(cfg WireConfig, d Direction) *shaper {
	s := &shaper{}
	s.configure(cfg, d)
	return s
}

// configure changes the treatment of later packets.
func (s *shaper) configure(cfg WireConfig, d Direction) {
	s.cfg = cfg
	s.rng = rand.New(rand.NewPCG(cfg.Seed, uint64(d)))
}

// offer takes a packet of size bytes, and returns when it arrives at the far end.
func (s *shaper) offer(now time.Duration, size int) (time.Duration, fate) {
	sent := now
	if s.cfg.Rate > 0 {
		limit := s.cfg.Queue
		if limit == 0 {
			limit = DefaultQueue
		}
		// The time that the waiting packets will take is known: no list is needed.
		backlog := time.Duration(0)
		if s.busy > now {
			backlog = s.busy - now
		}
		if backlog > 0 && backlog+s.serialisation(size) > s.serialisation(limit) {
			return 0, queueFull
		}
		s.busy = now + backlog + s.serialisation(size)
		sent = s.busy
	}
	if s.cfg.Loss > 0 && s.rng.Float64() < s.cfg.Loss {
		return 0, lost
	}
	s.last = max(s.last, sent+s.cfg.Delay)
	return s.last, passes
}

// serialisation is the time that the sender needs for size bytes.
func (s *shaper) serialisation(size int) time.Duration {
	return time.Duration(float64(size) * 8 / float64(s.cfg.Rate) * float64(time.Second))
}
