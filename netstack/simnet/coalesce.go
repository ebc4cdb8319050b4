// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import "time"

// MaxBacklog is how many packets wait at a host that coalesces, as many as Linux lets
// wait (net.core.netdev_max_backlog). It bounds the memory that a flood costs.
const MaxBacklog = 1000

// SetCoalescing makes packets queue at the host, as at a network card that coalesces
// interrupts or a TUN device whose reader is busy. The host takes a packet d after it
// has arrived, together with all that have arrived meanwhile at any of its interfaces.
// It hands them to the stack in the order of their arrival, before the stack processes
// the first. So the stack finds the connection of a packet while earlier packets still
// wait to be processed. Their changes come too late for that.
//
// Zero, which is the default, hands over each packet when it arrives: the stack has
// processed it before the next one comes.
//
// A batch may have packets for several connections of a host. If the stack was made
// while GOMAXPROCS was above 1, several goroutines process them at once. The order of
// the answers is then not the same in each run.
//
// Packets that wait when d becomes zero are taken at their time. Beyond [MaxBacklog]
// packets are dropped.
func (h *Host) SetCoalescing(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.coalescing = d
}

// arrivedPacket waits in the backlog of a host.
type arrivedPacket struct {
	at *Interface
	p  *Packet
}

// hold takes p into the backlog and reports whether it did: the caller delivers p
// otherwise.
func (h *Host) hold(at *Interface, p *Packet) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.coalescing <= 0 && len(h.backlog) == 0:
		return false
	case len(h.backlog) >= MaxBacklog:
		p.release()
		return true
	case len(h.backlog) == 0:
		h.net.Clock.schedule(&h.interrupt, h.coalescing)
	}
	h.backlog = append(h.backlog, arrivedPacket{at, p})
	return true
}

// interrupt is the event that hands over the backlog.
type interrupt Host

func (i *interrupt) fire(time.Duration) {
	h := (*Host)(i)
	h.mu.Lock()
	backlog := h.backlog
	h.backlog = nil
	h.mu.Unlock()
	// A stack that pauses takes packets and lets them wait.
	if st := h.running(); st != nil {
		st.Pause()
		defer st.Resume()
	}
	for _, a := range backlog {
		a.at.deliver(a.p)
	}
}
