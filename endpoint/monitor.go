// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"slices"
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
)

// StackMonitor returns a monitor for a stack whose addresses the network knows. It
// reports the uplinks that [netstack.Stack.Exits] returns.
func StackMonitor(s *netstack.Stack) roam.Monitor { return stackMonitor{s} }

type stackMonitor struct{ stack *netstack.Stack }

func (m stackMonitor) Watch(f func(roam.Change)) (stop func(), err error) {
	var (
		mu      sync.Mutex // makes calls of f one after the other
		last    []roam.Uplink
		stopped bool
	)
	tell := func(first bool) {
		mu.Lock()
		defer mu.Unlock()
		ups := m.uplinks()
		if stopped || !first && slices.Equal(ups, last) {
			return
		}
		last = ups
		f(roam.Change{Uplinks: ups})
	}
	unwatch := m.stack.Watch(func() { tell(false) })
	tell(true)
	return func() {
		unwatch()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	}, nil
}

func (m stackMonitor) uplinks() []roam.Uplink {
	var ups []roam.Uplink
	for _, e := range m.stack.Exits() {
		via := roam.Route{Interface: e.NIC.Name(), Gateway: e.Gateway}
		ups = append(ups, roam.Uplink{Local: e.Local, Via: via})
	}
	return ups
}
