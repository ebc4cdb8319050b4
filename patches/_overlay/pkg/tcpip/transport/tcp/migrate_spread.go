// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// spread sends the initial window of a new path over a round-trip time, not in a
// burst (M679; RFC 9002, section 7.7, recommends it). Late segments keep the receiver busy
// until the first segment of the new path arrives. A burst would be followed by a gap
// of nearly a round trip. ACKs keep the distances of the packets.
type spread struct {
	// left is the part of the window that is still held back, in packets.
	left int
	// every is the time between two packets.
	every time.Duration
	timer timer
}

// minSpread is the least time between two packets. On a path with a shorter
// round-trip time the gap is no outage, and timers cost more than they gain.
const minSpread = 100 * time.Microsecond

// startSpread spreads the initial window over rtt if that is known, as long as
// segments are late.
//
// +checklocks:s.ep.mu
func (s *sender) startSpread(rtt time.Duration) {
	every := rtt / InitialCwnd
	if s.late == nil || every < minSpread {
		return
	}
	p := &s.late.spread
	p.left, p.every = s.SndCwnd-1, every
	s.SndCwnd -= p.left
	s.ep.mig.spacing = every
	p.timer.init(s.ep.stack.Clock(), timerHandler(s.ep, s.spreadExpired))
	p.timer.enable(every)
}

// spreadExpired adds a packet to the congestion window. A window that a loss has
// reduced meanwhile stays as it is.
//
// +checklocks:s.ep.mu
// +checklocksexclude:s.rtt.rttMutex
func (s *sender) spreadExpired() tcpip.Error {
	// A timer that was stopped too late may belong to an earlier path.
	if s.late == nil || s.late.spread.left == 0 || !s.late.spread.timer.checkExpiration() {
		return nil
	}
	p := &s.late.spread
	if s.inRecovery() {
		p.left = 0
		return nil
	}
	s.SndCwnd++
	if p.left--; p.left > 0 {
		p.timer.enable(p.every)
	}
	s.sendData()
	return nil
}

// endSpread adds the rest to the congestion window.
//
// +checklocks:s.ep.mu
func (s *sender) endSpread() {
	p := &s.late.spread
	p.timer.cleanup()
	if !s.inRecovery() {
		s.SndCwnd += p.left
	}
}

// trainDelta returns the time within which HyStart takes ACKs for a train. A spread
// window comes back as a train whatever the path has room for, if its packets are
// less than ackDelta apart. So closer ACKs are asked for: these come from slow start.
//
// +checklocks:c.s.ep.mu
func (c *cubicState) trainDelta() time.Duration {
	if m := c.s.ep.mig; m != nil && m.spacing != 0 {
		return min(ackDelta, m.spacing/2)
	}
	return ackDelta
}
