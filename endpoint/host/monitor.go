// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"slices"
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// Watcher reports the uplinks of a host. [hostnet.Share] and [hostnet.Watcher]
// implement it.
type Watcher interface {
	// Watch calls f with the present state before it returns, and again after each
	// change. Calls do not overlap. There is no call once stop has returned.
	Watch(f func(hostnet.State)) (stop func(), err error)
}

// Monitor returns a monitor for a stack behind the masquerade of its host, see
// [hostnet.Share]. The addresses of such a stack stay the same when the host changes
// to another uplink, but the path behind them changes.
//
// It reports the addresses that [netstack.Stack.Exits] returns, each with the host's
// best uplink of the same family. An address without one is left out.
func Monitor(s *netstack.Stack, host Watcher) roam.Monitor { return monitor{s, host} }

type monitor struct {
	stack *netstack.Stack
	host  Watcher
}

func (m monitor) Watch(f func(roam.Change)) (stop func(), err error) {
	w := &watch{stack: m.stack, f: f}
	unwatch := m.stack.Watch(w.stackChanged)
	stopHost, err := m.host.Watch(w.hostChanged)
	if err != nil {
		unwatch()
		return nil, err
	}
	return func() {
		unwatch()
		stopHost()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stopped = true
	}, nil
}

// watch is the state of one call of Watch.
type watch struct {
	stack *netstack.Stack
	f     func(roam.Change)

	mu      sync.Mutex // makes calls of f one after the other
	host    []hostnet.Uplink
	told    bool // f has been called, so host is known
	last    []roam.Uplink
	stopped bool
}

func (w *watch) stackChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told {
		w.tellLocked(false)
	}
}

func (w *watch) hostChanged(s hostnet.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = s.Uplinks
	w.tellLocked(s.Woke)
}

func (w *watch) tellLocked(woke bool) {
	ups := behind(w.stack.Exits(), w.host)
	if w.stopped || w.told && !woke && slices.Equal(ups, w.last) {
		return
	}
	w.told, w.last = true, ups
	w.f(roam.Change{Uplinks: ups, Woke: woke})
}

// behind returns the exits of the stack for whose family the host has an uplink.
func behind(exits []netstack.Exit, host []hostnet.Uplink) []roam.Uplink {
	var ups []roam.Uplink
	for _, e := range exits {
		i := slices.IndexFunc(host, func(u hostnet.Uplink) bool { return u.Source.Is4() == e.Local.Is4() })
		if i >= 0 {
			ups = append(ups, roam.Uplink{Local: e.Local, Via: route(host[i])})
		}
	}
	return ups
}

// route identifies the path by u. The index of the interface does not count: one that
// was unplugged and is back with the same addresses is the same path.
func route(u hostnet.Uplink) roam.Route {
	return roam.Route{Interface: u.Interface, Gateway: u.Gateway, Source: u.Source}
}
