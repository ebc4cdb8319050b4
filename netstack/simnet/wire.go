// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Units of [Wire.Rate].
const (
	Kbit int64 = 1e3
	Mbit int64 = 1e6
	Gbit int64 = 1e9
)

// DefaultQueue is the queue of a [Wire] that has a rate but names no limit, in
// bytes.
const DefaultQueue = 256 << 10

// Wire describes one direction of a link. The zero value is ideal: no delay,
// infinitely fast, without loss.
type Wire struct {
	// Delay is the propagation delay, one way.
	Delay time.Duration
	// Rate is the speed in bits per second of IP packets, without any framing.
	// Zero means infinite.
	Rate int64
	// Queue limits the bytes that wait for the sender or are being sent. A packet that
	// doesn't fit is dropped (drop-tail). An idle sender takes any packet. Zero means
	// DefaultQueue. Without a Rate nothing ever waits.
	Queue int
	// Loss is the probability that a packet is lost. Lost packets take their
	// share of the rate.
	Loss float64
	// Duplicate is the probability that a packet arrives twice.
	Duplicate float64
	// Reorder is the probability that a packet is held back by ReorderDelay on
	// top of Delay, so that packets behind it overtake.
	Reorder      float64
	ReorderDelay time.Duration
	// Down drops everything, including the packets on the wire when it goes down.
	Down bool
}

// WireStats counts the packets of one direction of a link.
type WireStats struct {
	Sent       uint64 // offered to the wire
	SentBytes  uint64
	Delivered  uint64 // come out at the far end, duplicates included
	QueueDrops uint64 // did not fit the queue
	Lost       uint64 // by Wire.Loss
	Duplicated uint64
	Reordered  uint64
	DownDrops  uint64 // lost because the wire was or went down
	TooBig     uint64 // longer than the MTU
}

// wire is one direction of a link.
type wire struct {
	clock *Clock

	mu    sync.Mutex
	cfg   Wire
	rng   *rand.Rand
	stats WireStats
	busy  time.Duration // when the last queued packet will have been sent
	// queue holds the packets not known to be sent yet, oldest first, and
	// queued is the sum of their lengths.
	queue  []departure
	queued int
	// epoch counts how often the wire went down: packets of an earlier epoch
	// that are still under way are lost.
	epoch uint32
}

type departure struct {
	at   time.Duration
	size int
}

func (w *wire) configure(cfg Wire) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cfg.Down && !w.cfg.Down {
		w.epoch++
		w.busy, w.queue, w.queued = 0, nil, 0
	}
	w.cfg = cfg
}

func (w *wire) config() Wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cfg
}

func (w *wire) snapshot() WireStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// send takes the packet, and schedules its arrival unless it is lost. It returns the
// packet's fate.
func (w *wire) send(p *Packet, mtu int, now time.Duration) Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	size := p.Len()
	w.stats.Sent++
	w.stats.SentBytes += uint64(size)
	if w.cfg.Down {
		w.stats.DownDrops++
		return FateDown
	}
	if size > mtu {
		w.stats.TooBig++
		return FateTooBig
	}
	left, ok := w.enqueue(size, now)
	if !ok {
		w.stats.QueueDrops++
		return FateQueueFull
	}
	if w.chance(w.cfg.Loss) {
		w.stats.Lost++
		return FateLost
	}
	delay := left - now + w.cfg.Delay
	if w.chance(w.cfg.Reorder) {
		w.stats.Reordered++
		delay += w.cfg.ReorderDelay
	}
	p.onWire, p.epoch = true, w.epoch
	w.clock.schedule(&p.event, delay)
	if w.chance(w.cfg.Duplicate) {
		w.stats.Duplicated++
		d := p.clone()
		d.link, d.dir, d.hop, d.onWire, d.epoch = p.link, p.dir, p.hop, true, p.epoch
		w.clock.schedule(&d.event, delay)
	}
	return FateSent
}

// enqueue returns when a packet of size bytes will have left the sender, or
// false if the queue has no room for it.
func (w *wire) enqueue(size int, now time.Duration) (time.Duration, bool) {
	if w.cfg.Rate <= 0 {
		return now, true
	}
	sent := 0
	for sent < len(w.queue) && w.queue[sent].at <= now {
		w.queued -= w.queue[sent].size
		sent++
	}
	w.queue = w.queue[sent:]
	limit := w.cfg.Queue
	if limit == 0 {
		limit = DefaultQueue
	}
	if w.queued > 0 && w.queued+size > limit {
		return 0, false
	}
	w.busy = max(w.busy, now) + time.Duration(int64(size)*8*int64(time.Second)/w.cfg.Rate)
	w.queue = append(w.queue, departure{w.busy, size})
	w.queued += size
	return w.busy, true
}

// arrive reports whether a packet that was sent in the given epoch gets through.
func (w *wire) arrive(epoch uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if epoch != w.epoch {
		w.stats.DownDrops++
		return false
	}
	w.stats.Delivered++
	return true
}

// chance throws the dice. Features that are off don't use up random numbers.
func (w *wire) chance(p float64) bool {
	return p > 0 && w.rng.Float64() < p
}
