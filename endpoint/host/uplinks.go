// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"slices"
	"sync"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// uplinks is a monitor that remembers what another monitor reported last.
type uplinks struct {
	roam.Monitor
	changed func(roam.Change) // called after each change, without the lock; may be nil

	mu   sync.Mutex // a leaf
	last roam.Change
}

func (u *uplinks) Watch(f func(roam.Change)) (stop func(), err error) {
	told := false
	return u.Monitor.Watch(func(ch roam.Change) {
		u.mu.Lock()
		changed := !told || ch.Woke || !slices.Equal(ch.Uplinks, u.last.Uplinks)
		u.last = ch
		u.mu.Unlock()
		told = true
		f(ch)
		if changed && u.changed != nil {
			u.changed(ch)
		}
	})
}

// now returns the last change.
func (u *uplinks) now() roam.Change {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.last
}
