// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// recorded is a segment that has passed a gate.
type recorded struct {
	header.TCP
	dir simnet.Direction
}

func (s recorded) synOptions() header.TCPSynOptions {
	return header.ParseSynOptions(s.Options(), s.Flags().Contains(fACK))
}

// recorder keeps the segments that pass a gate.
type recorder struct {
	mu  sync.Mutex
	got []recorded
}

func (r *recorder) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	if s, ok := p.TCP(); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, recorded{bytes.Clone(s), at.Dir})
	}
	return simnet.Pass
}

// takes returns the segments that have passed since the last call.
func (r *recorder) takes() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

// first returns the first segment with these flags.
func first(tb testing.TB, got []recorded, flags header.TCPFlags) recorded {
	tb.Helper()
	i := slices.IndexFunc(got, func(s recorded) bool { return s.Flags() == flags })
	if i < 0 {
		tb.Fatalf("no %v", flags)
	}
	return got[i]
}
