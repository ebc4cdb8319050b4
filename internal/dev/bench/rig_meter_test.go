// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
)

// meter is a link that counts the packets and bytes that its stack sends.
type meter struct {
	*netstack.PipeEnd
	data, empty traffic

	// dispatcher gets the packets of the link.
	dispatcher stack.NetworkDispatcher

	// lose, if not nil, takes the requests to migrate, and nobody else sees
	// them. It is set before there is a connection.
	lose chan<- migrate.Request
}

// traffic is segments of one kind, and their bytes from the IP header on.
type traffic struct {
	segments, bytes, headers atomic.Uint64
}

// Attach implements stack.NetworkLinkEndpoint.
func (m *meter) Attach(d stack.NetworkDispatcher) {
	m.dispatcher = d
	m.PipeEnd.Attach(d)
}

// WritePackets implements stack.LinkWriter.
func (m *meter) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	if m.lose != nil && m.takeRequest(pkts) {
		return pkts.Len(), nil
	}
	for _, pkt := range pkts.AsSlice() {
		t := &m.empty
		payload := pkt.Data().Size()
		if payload > 0 {
			t = &m.data
		}
		t.segments.Add(1)
		t.bytes.Add(uint64(pkt.Size()))
		t.headers.Add(uint64(pkt.Size() - payload))
	}
	return m.PipeEnd.WritePackets(pkts)
}

// takeRequest reports whether a packet to be sent is a request to migrate.
// Later ones than the first are lost for good.
func (m *meter) takeRequest(pkts stack.PacketBufferList) bool {
	for _, pkt := range pkts.AsSlice() {
		segment := header.TCP(pkt.TransportHeader().Slice())
		if segment.Flags() != header.TCPFlagSyn {
			continue
		}
		req, ok := migrate.ParseRequest(migrate.FormatKinds, segment.Options())
		if !ok {
			continue
		}
		select {
		case m.lose <- req:
		default:
		}
		return true
	}
	return false
}

// usage is the consumption of both ends together so far.
type usage struct {
	cpu         time.Duration
	mallocs     uint64
	data, empty counts
}

type counts struct{ segments, bytes, headers uint64 }

func (r *rig) usage() usage {
	u := usage{cpu: cpuTime(), mallocs: mallocs()}
	for _, l := range r.links {
		u.data.add(&l.data)
		u.empty.add(&l.empty)
	}
	return u
}

func (c *counts) add(t *traffic) {
	c.segments += t.segments.Load()
	c.bytes += t.bytes.Load()
	c.headers += t.headers.Load()
}

// reportSegments reports the average cost of a segment since before.
func (r *rig) reportSegments(b *testing.B, before usage) {
	after := r.usage()
	after.reportCPU(b, before)
	data, empty := after.data.since(before.data), after.empty.since(before.empty)
	segments := data.segments + empty.segments
	b.ReportMetric(ratio(after.mallocs-before.mallocs, segments), "allocs/segment")
	b.ReportMetric(ratio(data.bytes+empty.bytes, segments), "wire-B/segment")
	b.ReportMetric(ratio(data.headers, data.segments), "header-B/data-segment")
	if empty.segments > 0 {
		b.ReportMetric(ratio(empty.headers, empty.segments), "header-B/ack")
	}
}

// reportOperations reports the average cost since before of an operation without
// payload.
func (r *rig) reportOperations(b *testing.B, before usage) {
	after := r.usage()
	after.reportCPU(b, before)
	n := uint64(b.N)
	empty := after.empty.since(before.empty)
	b.ReportMetric(ratio(after.mallocs-before.mallocs, n), "objects/op")
	b.ReportMetric(ratio(empty.segments, n), "segments/op")
	b.ReportMetric(ratio(empty.bytes, n), "wire-B/op")
}

func (u usage) reportCPU(b *testing.B, before usage) {
	if u.cpu > 0 {
		b.ReportMetric(float64(u.cpu-before.cpu)/float64(b.N), "cpu-ns/op")
	}
}

func ratio(a, b uint64) float64 { return float64(a) / float64(b) }

func (c counts) since(before counts) counts {
	return counts{c.segments - before.segments, c.bytes - before.bytes, c.headers - before.headers}
}

// mallocs returns how many objects have been allocated so far.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
