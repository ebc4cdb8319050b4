// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// watchers are called after each change of the stack's NICs, addresses or routes.
type watchers struct {
	mu   sync.Mutex
	next int
	all  map[int]func()
}

// Watch has f called after each change of the NICs, addresses or routes of the
// stack, by who made the change. Calls may overlap. stop ends it, but does not
// wait for a call that is under way.
func (s *Stack) Watch(f func()) (stop func()) {
	w := &s.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[int]func())
	}
	id := w.next
	w.next++
	w.all[id] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, id)
	}
}

// changed calls the watchers. No lock is held.
func (s *Stack) changed() {
	s.watchers.mu.Lock()
	all := slices.Collect(maps.Values(s.watchers.all))
	s.watchers.mu.Unlock()
	for _, f := range all {
		f()
	}
}

// Exit is an address that packets can leave the stack with, to anywhere.
type Exit struct {
	Local   netip.Addr
	NIC     *NIC
	Gateway netip.Addr // invalid if the destinations are on the link
}

// Exits returns the addresses of NICs that are up and have a default route of the
// same family, in the order of these routes.
func (s *Stack) Exits() []Exit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var exits []Exit
	for _, r := range s.routesLocked() {
		if r.Destination.Bits() != 0 || !s.gv.CheckNIC(r.NIC.id) {
			continue
		}
		for _, p := range r.NIC.addrs {
			if p.Addr().Is4() == r.Destination.Addr().Is4() {
				exits = append(exits, Exit{Local: p.Addr(), NIC: r.NIC, Gateway: r.Gateway})
			}
		}
	}
	return exits
}
