// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/netip"
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// uplinkTap is a roam.Monitor that remembers what another one said last. Its lock
// is a leaf.
type uplinkTap struct {
	roam.Monitor
	tell func(roam.Change) // called after each change, without the lock

	mu   sync.Mutex
	last []roam.Uplink
}

func (t *uplinkTap) Watch(f func(roam.Change)) (stop func(), err error) {
	return t.Monitor.Watch(func(ch roam.Change) {
		t.mu.Lock()
		t.last = ch.Uplinks
		t.mu.Unlock()
		f(ch)
		t.tell(ch)
	})
}

func (t *uplinkTap) status() []UplinkStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return uplinkStatus(t.last)
}

// path returns what the packets of a local address leave by now.
func (t *uplinkTap) path(local netip.Addr) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.last {
		if u.Local == local {
			return u.Via
		}
	}
	return ""
}

func uplinkStatus(ups []roam.Uplink) []UplinkStatus {
	list := make([]UplinkStatus, len(ups))
	for i, u := range ups {
		list[i] = UplinkStatus{u.Local, u.Via}
	}
	return list
}
