// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"

	"github.com/mnet-dev/mnet/netstack/simnet"
)

// sender watches the segments that the server puts on its link, before loss and queue.
// There is one connection, so one sequence space.
type sender struct {
	mu            sync.Mutex
	started       bool
	next          seqnum.Value // after the highest byte sent so far
	retransmitted int64        // bytes
	// headers are the TCP headers of data segments before the first migration and
	// after it.
	headers [2]headers
	moved   int // index into headers
}

type headers struct{ segments, bytes int64 }

func (h headers) mean() float64 {
	if h.segments == 0 {
		return 0
	}
	return float64(h.bytes) / float64(h.segments)
}

// box returns the middlebox to put at the server's end of its link.
func (s *sender) box() simnet.Box {
	return simnet.TCPFilter(func(t header.TCP, d simnet.Direction, _ int) simnet.Verdict {
		if d == simnet.BtoA {
			s.sent(t)
		}
		return simnet.Pass
	})
}

func (s *sender) sent(t header.TCP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, n := seqnum.Value(t.SequenceNumber()), seqnum.Size(len(t.Payload()))
	if !s.started {
		s.started, s.next = true, seq.Add(1) // the SYN-ACK
		return
	}
	if n == 0 {
		return
	}
	h := &s.headers[s.moved]
	h.segments++
	h.bytes += int64(t.DataOffset())
	end := seq.Add(n)
	switch {
	case !s.next.LessThan(end): // end <= next
		s.retransmitted += int64(n)
		return
	case seq.LessThan(s.next):
		s.retransmitted += int64(seq.Size(s.next))
	}
	s.next = end
}

// migrated says that the first migration is done: from now on it is "after".
func (s *sender) migrated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = 1
}

// snapshot returns the counts so far.
func (s *sender) snapshot() (retransmitted int64, before, after float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retransmitted, s.headers[0].mean(), s.headers[1].mean()
}
