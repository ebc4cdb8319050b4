// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// uplinks is a monitor that remembers what another monitor reported last.
type uplinks struct {
	roam.Monitor
	changed func(roam.Change) // called after each change, without the lock; may be nil

	mu   sync.Mutex // a leaf
	last []roam.Uplink
}

func (u *uplinks) Watch(f func(roam.Change)) (stop func(), err error) {
	return u.Monitor.Watch(func(ch roam.Change) {
		u.mu.Lock()
		u.last = ch.Uplinks
		u.mu.Unlock()
		f(ch)
		if u.changed != nil {
			u.changed(ch)
		}
	})
}

func (u *uplinks) now() []roam.Uplink {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}
