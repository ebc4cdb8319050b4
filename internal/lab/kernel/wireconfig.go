// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"time"
)

// DefaultQueue is the queue of a wire that has a rate but names no limit, in bytes.
const DefaultQueue = 256 << 10

// WireConfig describes both directions of a wire. The zero value has no delay, no
// limit and no loss.
type WireConfig struct {
	// Delay is the propagation delay, one way.
	Delay time.Duration
	// Rate is the speed in bits per second of IP packets, without any framing.
	// Zero means no limit.
	Rate int64
	// Queue limits the bytes that wait for the sender or are being sent. A packet that
	// doesn't fit is dropped (drop-tail); an idle sender takes any. Zero means
	// DefaultQueue. Without a Rate nothing waits.
	Queue int
	// Loss is the probability that a packet is lost. It takes its share of the rate.
	Loss float64
	// Seed makes the losses repeatable, as far as the traffic is.
	Seed uint64
	// MTU is the MTU of both devices, in bytes. Zero means 1500. It is fixed when the
	// wire is made.
	MTU int
	// Tap sees each packet before anything is done to it, and is asked whether it
	// may pass. It must not keep the packet, and is called from one goroutine for
	// each direction. Nil lets all pass.
	Tap func(d Direction, packet []byte) bool
}

func (c WireConfig) check() error {
	switch {
	case c.Delay < 0:
		return fmt.Errorf("delay %v: give zero or more", c.Delay)
	case c.Rate < 0:
		return fmt.Errorf("rate %d bit/s: give zero, for no limit, or more", c.Rate)
	case c.Queue < 0:
		return fmt.Errorf("queue of %d bytes: give zero, for %d, or more", c.Queue, DefaultQueue)
	case !(c.Loss >= 0 && c.Loss <= 1):
		return fmt.Errorf("loss %v: give a probability from 0 to 1", c.Loss)
	case c.MTU != 0 && (c.MTU < minMTU || c.MTU > maxMTU):
		return fmt.Errorf("MTU %d: give %d to %d bytes, or zero for %d", c.MTU, minMTU, maxMTU, defaultMTU)
	}
	return nil
}

// The MTU of a wire, in bytes: the least that IPv4 needs, and the longest packet.
const (
	minMTU     = 68
	defaultMTU = 1500
	maxMTU     = 65535
)

// Direction is one of the two directions of a wire.
type Direction int

const (
	AtoB Direction = iota // from the first device of [Network.Wire] to the second
	BtoA
)

func (d Direction) String() string {
	if d == AtoB {
		return "A to B"
	}
	return "B to A"
}
