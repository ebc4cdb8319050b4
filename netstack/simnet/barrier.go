// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import "sync"

// pausable is the part of stack.Stack that the barrier needs. Pause returns
// once every TCP processor goroutine has emptied its queue.
type pausable interface {
	Pause()
	Resume()
}

// settlePasses is how often the barrier pauses a stack. One processor may hand an
// endpoint to another that is paused already, as a listener does with an endpoint that
// it has just accepted. The second pass waits for that one too.
const settlePasses = 2

// guard is a host whose stack must be at rest before time advances.
type guard struct {
	host  *Host
	dirty bool // used by the driving goroutine only
}

// barrier knows the stacks that an event may have set to work.
type barrier struct {
	mu     sync.Mutex
	guards []*guard // append-only

	// Used by the driving goroutine only. touched says that the event in hand
	// may have woken a goroutine at all, allDirty that it may be anybody's.
	touched, allDirty bool
}

func (b *barrier) add(g *guard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.guards = append(b.guards, g)
}

// touch notes that g's stack may have work to do.
func (b *barrier) touch(g *guard) {
	g.dirty = true
	b.touched = true
}

// touchAll notes that any stack, and any goroutine, may have work to do.
func (b *barrier) touchAll() {
	b.allDirty = true
	b.touched = true
}

// settle waits until the stacks touched since the last call have processed all
// that was delivered to them.
func (b *barrier) settle() {
	if !b.touched {
		return
	}
	b.mu.Lock()
	guards := b.guards
	b.mu.Unlock()
	for _, g := range guards {
		if !g.dirty && !b.allDirty {
			continue
		}
		g.dirty = false
		st := g.host.running()
		if st == nil {
			continue
		}
		for range settlePasses {
			st.Pause()
			st.Resume()
		}
	}
	b.touched, b.allDirty = false, false
}
