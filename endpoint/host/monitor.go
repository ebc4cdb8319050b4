// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net/netip"
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
// best uplink of the same family. An address without one is left out. For a peer, it is
// each address with the uplink by which the host sends packets from there to the peer.
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
	host    hostnet.State
	told    bool // f has been called, so host is known
	last    []roam.Uplink
	stopped bool
}

func (w *watch) stackChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told {
		w.tellLocked(false, false)
	}
}

func (w *watch) hostChanged(s hostnet.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = s
	w.tellLocked(s.Woke, s.Rerouted)
}

func (w *watch) tellLocked(woke, rerouted bool) {
	exits := w.stack.Exits()
	ups := behind(exits, w.host.Uplinks)
	if w.stopped || w.told && !woke && !rerouted && slices.Equal(ups, w.last) {
		return
	}
	w.told, w.last = true, ups
	ch := roam.Change{Uplinks: ups, Woke: woke}
	if find := w.host.Route; find != nil {
		ch.To = func(peer netip.Addr) []roam.Uplink { return towards(exits, peer, find) }
	}
	w.f(ch)
}

// towards returns the exits of the stack from whose address the host has a way to a peer.
func towards(exits []netstack.Exit, peer netip.Addr, find func(from, to netip.Addr) (hostnet.Uplink, bool)) (ups []roam.Uplink) {
	for _, e := range exits {
		if e.Local.Is4() != peer.Is4() {
			continue
		}
		if u, ok := find(e.Local, peer); ok {
			ups = append(ups, roam.Uplink{Local: e.Local, Via: route(u)})
		}
	}
	return ups
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
