// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import "sync"

// inbox is how others talk to the goroutine of a Roamer: by calls that it makes.
// Its lock is a leaf, so posting is allowed with an endpoint's mutex held.
type inbox struct {
	wake chan struct{}

	mu     sync.Mutex
	calls  []func()
	closed bool
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// post has the goroutine call f, unless the inbox is closed before it comes to
// that.
func (i *inbox) post(f func()) {
	i.mu.Lock()
	if !i.closed {
		i.calls = append(i.calls, f)
	}
	i.mu.Unlock()
	i.signal()
}

func (i *inbox) close() {
	i.mu.Lock()
	i.closed, i.calls = true, nil
	i.mu.Unlock()
	i.signal()
}

func (i *inbox) signal() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take waits for calls and returns all of them; false once the inbox is closed.
func (i *inbox) take() ([]func(), bool) {
	for {
		i.mu.Lock()
		calls, closed := i.calls, i.closed
		i.calls = nil
		i.mu.Unlock()
		if len(calls) > 0 || closed {
			return calls, !closed
		}
		<-i.wake
	}
}
