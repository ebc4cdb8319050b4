// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"os"
	"sync"
)

// Wire joins two namespaces by a pair of TUN devices with this process in between. The
// process delays packets, sends them at a rate, and loses some. Its methods may be
// called from several goroutines.
type Wire struct {
	dirs    [2]*direction
	running sync.WaitGroup
	closing sync.Once
}

// WireStats counts the packets of one direction of a wire.
type WireStats struct {
	Packets, Bytes                   uint64 // offered to the wire
	DeliveredPackets, DeliveredBytes uint64 // came out at the far end
	QueueDrops                       uint64 // did not fit the queue
	Lost                             uint64 // by WireConfig.Loss
	Tapped                           uint64 // that WireConfig.Tap did not let pass
	DownDrops                        uint64 // offered or under way while the wire was down
}

// Wire makes a wire from a device in a to one in b. The devices are point-to-point,
// up, and have no addresses yet. The wire lasts as long as the network.
//
// Delays are exact to some tenths of a millisecond while there is a CPU to run on.
// To keep that so, GOMAXPROCS is raised by 4 for each wire.
func (n *Network) Wire(a *Namespace, devA string, b *Namespace, devB string, cfg WireConfig) (*Wire, error) {
	w, err := newWire(a, devA, b, devB, cfg)
	if err != nil {
		return nil, fmt.Errorf("kernel: wire %s %s to %s %s: %w", a.name, devA, b.name, devB, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		w.close()
		return nil, fmt.Errorf("kernel: wire %s to %s: %w", a.name, b.name, ErrClosed)
	}
	n.wires = append(n.wires, w)
	return w, nil
}

func newWire(a *Namespace, devA string, b *Namespace, devB string, cfg WireConfig) (*Wire, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	mtu := cfg.MTU
	if mtu == 0 {
		mtu = defaultMTU
	}
	tunA, err := a.openTun(devA, mtu)
	if err != nil {
		return nil, err
	}
	tunB, err := b.openTun(devB, mtu)
	if err != nil {
		tunA.Close()
		return nil, err
	}
	w := &Wire{}
	for d, ends := range [2][2]*os.File{AtoB: {tunA, tunB}, BtoA: {tunB, tunA}} {
		w.dirs[d], err = newDirection(Direction(d), ends[0], ends[1], cfg, mtu)
		if err != nil {
			if d == int(BtoA) {
				w.dirs[AtoB].close()
			}
			tunA.Close()
			tunB.Close()
			return nil, err
		}
	}
	addProcessors(wireProcessors)
	for _, d := range w.dirs {
		w.running.Go(d.collect)
		w.running.Go(d.deliver)
	}
	return w, nil
}

// SetConfig changes the wire for later packets. They do not overtake packets under way.
// The MTU stays.
func (w *Wire) SetConfig(cfg WireConfig) error {
	if err := cfg.check(); err != nil {
		return fmt.Errorf("kernel: wire: %w", err)
	}
	for _, d := range w.dirs {
		d.configure(cfg)
	}
	return nil
}

// SetDown makes the wire lose everything, packets under way included, or repairs it.
// The devices stay up: their hosts see nothing of it.
func (w *Wire) SetDown(down bool) {
	for _, d := range w.dirs {
		d.setDown(down)
	}
}

// Stats returns the counters of a direction.
func (w *Wire) Stats(d Direction) WireStats { return w.dirs[d].snapshot() }

// close removes the devices and ends the goroutines.
func (w *Wire) close() {
	w.closing.Do(func() {
		for _, d := range w.dirs {
			d.close()
		}
		w.running.Wait()
		addProcessors(-wireProcessors)
	})
}
