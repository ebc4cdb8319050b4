// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/seqnum"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// meter measures outages where they hurt: at the client's application. It sees
// the segments that arrive at the client's stack and the bytes that come out of
// the client's Read. There is one connection.
type meter struct {
	clock *simnet.Clock

	mu      sync.Mutex
	started bool
	first   seqnum.Value      // sequence number of the stream's first byte
	reads   arrivals.Recorder // reads of the application
	current *outage
}

// outage is the measurement of one migration.
type outage struct {
	start          time.Duration // of virtual time
	began          time.Time     // the same instant
	breakFirst     bool
	client, server netip.Addr // of the new path

	// fresh is the lowest offset of the bytes that came over the new path and had
	// not been read before; negative if none came yet.
	fresh   int64
	longest time.Duration // the result, once done is closed
	done    chan struct{}
}

// begin starts the measurement of a migration at this instant.
func (m *meter) begin(s step) *outage {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = &outage{
		start:      m.clock.Elapsed(),
		began:      m.clock.Now(),
		breakFirst: s.breakFirst,
		client:     s.to.client.addr,
		server:     s.to.server,
		fresh:      -1,
		done:       make(chan struct{}),
	}
	return m.current
}

// arrived notes a segment that the client's stack receives.
func (m *meter) arrived(src, dst netip.Addr, t header.TCP) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seq, n := seqnum.Value(t.SequenceNumber()), int64(len(t.Payload()))
	if !m.started {
		if t.Flags().Contains(header.TCPFlagSyn) {
			m.started, m.first = true, seq.Add(1)
		}
		return
	}
	o := m.current
	if o == nil || n == 0 || src != o.server || dst != o.client {
		return
	}
	// Sequence numbers wrap, so a distance is all they tell.
	read := m.reads.Total()
	next := m.first.Add(seqnum.Size(uint32(read)))
	start := read + int64(int32(seq-next))
	if start+n <= read {
		return
	}
	if start = max(start, read); o.fresh < 0 || start < o.fresh {
		o.fresh = start
	}
}

// delivered notes that the application has read n bytes.
func (m *meter) delivered(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.Now()
	m.reads.Add(now, n)
	o := m.current
	if o == nil || o.fresh < 0 || m.reads.Total() <= o.fresh {
		return
	}
	m.endLocked()
	if o.breakFirst {
		o.longest = now.Sub(o.began)
	}
	close(o.done)
}

// end tells the meter that the application wants no more data. All its data came in
// time.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o := m.current; o != nil {
		m.endLocked()
		close(o.done)
	}
}

// endLocked ends the present measurement with the longest time between two reads.
func (m *meter) endLocked() {
	m.current.longest, _ = m.reads.Since(m.current.began, math.MaxInt64)
	m.current = nil
}

// longestStall returns the longest time between two reads of the whole run.
func (m *meter) longestStall() (stall time.Duration) {
	for _, a := range m.reads.Kept() {
		if a.Offset > 0 { // the way to the first byte is no stall
			stall = max(stall, a.Gap)
		}
	}
	return stall
}

// progress returns how many bytes were read so far.
func (m *meter) progress() int64 { return m.reads.Total() }

// meteredConn is a connection whose reads the meter sees.
type meteredConn struct {
	net.Conn
	meter *meter
}

func (c *meteredConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.meter.delivered(n)
	}
	return n, err
}
