// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"os"
	"sync"
	"time"
)

// maxUnderWay is how many packets a direction holds at most. It stops a long delay
// without a rate from taking all memory; 200 Mbit/s fill it in about a second.
const maxUnderWay = 16384

// direction is one direction of a wire. One goroutine reads packets, and asks the
// shaper when they arrive; another waits for that and writes them.
type direction struct {
	id       Direction
	from, to *os.File
	timer    *timer
	start    time.Time
	mtu      int

	underWay chan packet // in order of arrival
	free     chan []byte // buffers to use again

	mu     sync.Mutex
	shaper *shaper
	stats  WireStats
	down   bool
	epoch  uint32 // counts how often it went down: packets of an earlier epoch are lost
}

type packet struct {
	buf   []byte
	at    time.Duration // since start
	epoch uint32
}

func newDirection(id Direction, from, to *os.File, cfg WireConfig, mtu int) (*direction, error) {
	timer, err := newTimer()
	if err != nil {
		return nil, err
	}
	return &direction{
		id:       id,
		from:     from,
		to:       to,
		timer:    timer,
		start:    time.Now(),
		mtu:      mtu,
		underWay: make(chan packet, maxUnderWay),
		free:     make(chan []byte, maxUnderWay),
		shaper:   newShaper(cfg, id),
	}, nil
}

// collect reads packets until the device is closed.
func (d *direction) collect() {
	defer close(d.underWay)
	for {
		buf := d.buffer()
		n, err := d.from.Read(buf)
		if err != nil {
			return
		}
		if p, ok := d.admit(buf[:n]); ok {
			d.underWay <- p
		} else {
			d.release(buf)
		}
	}
}

// admit decides about a packet. A packet that is admitted finds room in underWay, as
// nobody else sends to it.
func (d *direction) admit(buf []byte) (packet, bool) {
	d.mu.Lock()
	tap := d.shaper.cfg.Tap
	d.mu.Unlock()
	pass := tap == nil || tap(d.id, buf) // may use the wire, so without the lock

	d.mu.Lock()
	defer d.mu.Unlock()
	d.stats.Packets++
	d.stats.Bytes += uint64(len(buf))
	switch {
	case !pass:
		d.stats.Tapped++
		return packet{}, false
	case d.down:
		d.stats.DownDrops++
		return packet{}, false
	case len(d.underWay) == cap(d.underWay):
		d.stats.QueueDrops++
		return packet{}, false
	}
	at, fate := d.shaper.offer(time.Since(d.start), len(buf))
	switch fate {
	case queueFull:
		d.stats.QueueDrops++
	case lost:
		d.stats.Lost++
	}
	return packet{buf, at, d.epoch}, fate == passes
}

// deliver writes packets when their time has come, until the timer is closed.
func (d *direction) deliver() {
	for p := range d.underWay {
		if wait := p.at - time.Since(d.start); wait > 0 {
			if d.timer.sleep(wait) != nil {
				return
			}
		}
		if d.arrives(p) {
			// The far end may be down or slow: then the packet is lost there.
			d.to.Write(p.buf)
		}
		d.release(p.buf)
	}
}

// arrives reports whether a packet has not been lost on its way.
func (d *direction) arrives(p packet) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.epoch != d.epoch {
		d.stats.DownDrops++
		return false
	}
	d.stats.DeliveredPackets++
	d.stats.DeliveredBytes += uint64(len(p.buf))
	return true
}

func (d *direction) buffer() []byte {
	select {
	case buf := <-d.free:
		return buf[:d.mtu]
	default:
		return make([]byte, d.mtu)
	}
}

func (d *direction) release(buf []byte) {
	select {
	case d.free <- buf:
	default:
	}
}

func (d *direction) configure(cfg WireConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shaper.configure(cfg, d.id)
}

func (d *direction) setDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if down && !d.down {
		d.epoch++
	}
	d.down = down
}

func (d *direction) snapshot() WireStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// close ends both goroutines. Each device is the source of one direction.
func (d *direction) close() {
	d.from.Close()
	d.timer.close()
}
