// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"sync"

	"github.com/mnet-dev/mnet/internal/broadcast"
)

// states tells receivers the states of the host. The calls of a receiver do not overlap,
// and none follows its removal.
type states struct {
	mu        sync.Mutex // held during calls
	last      State
	receivers broadcast.List[State]
}

// send calls all receivers.
func (s *states) send(st State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = st
	s.receivers.Send(st)
}

// add calls f with the present state, and has send call it until stop.
func (s *states) add(f func(State)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	remove := s.receivers.Add(f)
	f(State{Uplinks: s.last.Uplinks, Route: s.last.Route})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		remove()
	}
}
