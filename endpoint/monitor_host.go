// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"slices"
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// HostWatcher tells what uplinks a host has, as [hostnet.Share] and [hostnet.Watcher] do.
type HostWatcher interface {
	// Watch calls f with what there is, before it returns, and again after each
	// change. Calls do not overlap; there is none once stop has returned.
	Watch(f func(hostnet.State)) (stop func(), err error)
}

// HostMonitor is a roam.Monitor for a stack behind the masquerade of its host, see
// [hostnet.Share]: its addresses stay when the host changes to another uplink, but
// what lies behind them does not. Its uplinks are those of [netstack.Stack.Exits]
// for whose family the host has one, behind each of them the host's best.
func HostMonitor(s *netstack.Stack, host HostWatcher) roam.Monitor {
	return hostMonitor{s, host}
}

type hostMonitor struct {
	stack *netstack.Stack
	host  HostWatcher
}

func (m hostMonitor) Watch(f func(roam.Change)) (stop func(), err error) {
	w := &hostWatch{stack: m.stack, f: f}
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

// hostWatch is the state of one call of Watch.
type hostWatch struct {
	stack *netstack.Stack
	f     func(roam.Change)

	mu      sync.Mutex // makes calls of f one after the other
	host    []hostnet.Uplink
	told    bool // something, thus host is known
	last    []roam.Uplink
	stopped bool
}

func (w *hostWatch) stackChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told {
		w.tellLocked(false)
	}
}

func (w *hostWatch) hostChanged(s hostnet.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host = s.Uplinks
	w.tellLocked(s.Woke)
}

func (w *hostWatch) tellLocked(woke bool) {
	ups := behind(w.stack.Exits(), w.host)
	if w.stopped || w.told && !woke && slices.Equal(ups, w.last) {
		return
	}
	w.told, w.last = true, ups
	w.f(roam.Change{Uplinks: ups, Woke: woke})
}

// behind returns the exits that lead anywhere.
func behind(exits []netstack.Exit, host []hostnet.Uplink) []roam.Uplink {
	var ups []roam.Uplink
	for _, e := range exits {
		i := slices.IndexFunc(host, func(u hostnet.Uplink) bool { return u.Source.Is4() == e.Local.Is4() })
		if i >= 0 {
			ups = append(ups, roam.Uplink{Local: e.Local, Via: host[i].String()})
		}
	}
	return ups
}
