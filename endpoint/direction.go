// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// direction is the means to block in one direction of a connection, or in the accepting
// of a listener. The holder of mu may wait on ready.
//
// One token in ready means that something may have changed: the endpoint is ready, the
// deadline has passed, or the connection is being closed. A caller looks at all of
// them, tries, and only then waits. A token that was left by an earlier event costs one
// more round, so none ever needs to be taken back.
type direction struct {
	// mu serialises callers, so that two large Writes do not interleave.
	mu       sync.Mutex
	ready    chan struct{}
	entry    waiter.Entry
	deadline deadline
}

func (d *direction) init(clock tcpip.Clock, wq *waiter.Queue, mask waiter.EventMask) {
	d.ready = make(chan struct{}, 1)
	d.deadline.clock = clock
	d.deadline.dir = d
	d.entry.Init(d, mask|waiter.EventHUp|waiter.EventErr)
	wq.EventRegister(&d.entry)
}

// NotifyEvent implements waiter.EventListener.
func (d *direction) NotifyEvent(waiter.EventMask) { d.wake() }

func (d *direction) wake() {
	select {
	case d.ready <- struct{}{}:
	default:
	}
}
