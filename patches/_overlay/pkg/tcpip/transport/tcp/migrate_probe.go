// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"
)

// A receiver cannot tell a pause of the sender from a dead path: none of its own data
// is unacknowledged. With a probe, keepalive asks soon after data has ceased to come.
// It asks less and less often while the peer answers, up to the keepalive's own
// settings (RFC 9293, section 3.8.4).

// probe says how early keepalive probes are sent. It is small, because each connection
// that may move has one. The endpoint's mutex protects it.
type probe struct {
	after uint32       // milliseconds of silence after data; 0 for keepalive's own settings
	n     uint8        // answered probes since the last data
	rcv   seqnum.Value // RCV.NXT when n was set to 0
}

// maxProbeShift keeps the doubling from overflowing.
const maxProbeShift = 16

// MigrationProbe has keepalive, if it is on, probe early. d is in milliseconds and at
// most seven weeks; 0 ends early probes.
//
// Silence is probed after d, 2d, 4d and so on while no data comes, but not later than
// keepalive's idle time. A probe without an answer is repeated after twice the RTO,
// then after double that time and so on, but not later than keepalive's interval. The
// connection does not end sooner than by keepalive's own settings.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationProbe(d time.Duration) {
	e.mig.probe = probe{after: uint32(d.Milliseconds())}
	if e.snd != nil {
		e.resetKeepaliveTimer(false)
	}
}

func (e *Endpoint) probing() bool { return e.mig != nil && e.mig.probe.after > 0 }

// migrateProbeIdle returns the time to the next probe after the last one was answered.
// The keepalive is locked.
//
// +checklocks:e.mu
func (e *Endpoint) migrateProbeIdle(answered bool) time.Duration {
	if !e.probing() {
		return e.keepalive.idle
	}
	p := &e.mig.probe
	switch {
	case p.rcv != e.rcv.RcvNxt:
		p.n, p.rcv = 0, e.rcv.RcvNxt
	case answered && p.n < maxProbeShift:
		p.n++
	}
	return min(time.Duration(p.after)*time.Millisecond<<p.n, e.keepalive.idle)
}

// migrateProbeInterval returns the time to the next probe after one without an answer.
// The keepalive is locked.
//
// +checklocks:e.mu
func (e *Endpoint) migrateProbeInterval() time.Duration {
	interval := e.keepalive.interval
	if !e.probing() {
		return interval
	}
	for d, n := 2*e.snd.RTO, 1; d < interval; d, n = 2*d, n+1 {
		if n == e.keepalive.unacked {
			return d
		}
	}
	return interval
}

// migrateProbesEarly reports whether the peer still has time to answer by keepalive's
// own settings, because probes were sent early. The keepalive is locked.
//
// +checklocks:e.mu
func (e *Endpoint) migrateProbesEarly() bool {
	patience := e.keepalive.idle + time.Duration(e.keepalive.count)*e.keepalive.interval
	return e.probing() && e.stack.Clock().NowMonotonic().Sub(e.rcv.lastRcvdAckTime) < patience
}

// migrateUnanswered tells the handler that the peer does not answer.
//
// +checklocks:e.mu
func (e *Endpoint) migrateUnanswered() {
	if m := e.mig; m != nil && m.h != nil && !m.closed {
		m.h.MigrationUnanswered(e.rcv.lastRcvdAckTime)
	}
}

// MigrationHeard returns the time of the peer's last acceptable segment with an ACK.
//
// +checklocks:e.mu
func (e *Endpoint) MigrationHeard() tcpip.MonotonicTime {
	if e.rcv == nil {
		return tcpip.MonotonicTime{}
	}
	return e.rcv.lastRcvdAckTime
}
