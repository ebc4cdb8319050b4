// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package broadcast tells events to any number of receivers.
package broadcast

import (
	"slices"
	"sync"
)

// List holds the receivers of events of type E. The zero value has none. Its
// methods are safe for concurrent use, also from within a receiver.
type List[E any] struct {
	mu        sync.Mutex
	receivers []*func(E) // replaced whole: Send walks it without the lock
}

// Add has f called with each event from now on, until stop is called. Calls may
// overlap. stop does not wait for a call that is under way.
func (l *List[E]) Add(f func(E)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receivers = append(slices.Clip(l.receivers), &f)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.receivers = slices.DeleteFunc(slices.Clone(l.receivers), func(r *func(E)) bool { return r == &f })
	}
}

// Send calls all receivers with e, in the order in which they were added. It
// holds no lock meanwhile.
func (l *List[E]) Send(e E) {
	l.mu.Lock()
	receivers := l.receivers
	l.mu.Unlock()
	for _, f := range receivers {
		(*f)(e)
	}
}
