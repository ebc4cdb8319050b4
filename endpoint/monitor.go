// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
)

// StackMonitor returns a monitor for a stack whose addresses the network knows. It
// reports the uplinks that [netstack.Stack.Exits] returns, and for a peer the addresses
// that have a route to it.
func StackMonitor(s *netstack.Stack) roam.Monitor { return stackMonitor{s} }

type stackMonitor struct{ stack *netstack.Stack }

func (m stackMonitor) Watch(f func(roam.Change)) (stop func(), err error) {
	var (
		mu      sync.Mutex // makes calls of f one after the other
		last    []netstack.Exit
		stopped bool
	)
	tell := func(first bool) {
		mu.Lock()
		defer mu.Unlock()
		exits := m.stack.AllExits()
		if stopped || !first && slices.Equal(exits, last) {
			return
		}
		last = exits
		f(roam.Change{
			Uplinks: uplinksBy(exits, func(p netip.Prefix) bool { return p.Bits() == 0 }),
			To: func(peer netip.Addr) []roam.Uplink {
				return uplinksBy(exits, func(p netip.Prefix) bool { return p.Contains(peer) })
			},
		})
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

// uplinksBy returns the exits by the routes that lead somewhere, each address with the best
// of its routes.
func uplinksBy(exits []netstack.Exit, leads func(netip.Prefix) bool) (ups []roam.Uplink) {
	for _, e := range exits {
		if leads(e.Destination) && !slices.ContainsFunc(ups, func(u roam.Uplink) bool { return u.Local == e.Local }) {
			ups = append(ups, roam.Uplink{Local: e.Local, Via: roam.Route{Interface: e.NIC.Name(), Gateway: e.Gateway}})
		}
	}
	return ups
}
