// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/netip"
	"time"

	"github.com/mnet-dev/mnet/internal/measure"
	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// BenchEvent has one of its fields set. The first is the start, the last is the
// report or an error.
type BenchEvent struct {
	Start    *BenchStart    `json:"start,omitempty"`
	Interval *BenchInterval `json:"interval,omitempty"`
	Report   *BenchReport   `json:"report,omitempty"`
	Error    string         `json:"error,omitempty"`
}

// BenchStart announces a measurement.
type BenchStart struct {
	Mode        measure.Mode      `json:"mode"`
	Connections []BenchConnection `json:"connections"`
}

// BenchConnection is one of the connections.
type BenchConnection struct {
	ID         string         `json:"id"`
	Local      netip.AddrPort `json:"local"`
	Remote     netip.AddrPort `json:"remote"`
	Migratable bool           `json:"migratable"`
	Suite      string         `json:"suite,omitempty"`
	Why        string         `json:"why,omitempty"` // not
	RTTMS      float64        `json:"rtt_ms"`        // before anything was sent
}

// BenchInterval is about a second of all connections together. Times are since the
// start.
type BenchInterval struct {
	Begin         float64 `json:"begin"` // s
	End           float64 `json:"end"`
	Bytes         int64   `json:"bytes"`
	BitsPerSecond float64 `json:"bits_per_second"`

	// Messages came back after such times, in ms. Interactive only.
	Messages  int            `json:"messages,omitempty"`
	MessageMS *stats.Summary `json:"message_ms,omitempty"`
}

// BenchReport sums up a measurement.
type BenchReport struct {
	Mode          measure.Mode   `json:"mode"`
	Seconds       float64        `json:"seconds"`
	Bytes         int64          `json:"bytes"` // all of them were right
	BitsPerSecond float64        `json:"bits_per_second"`
	Messages      int            `json:"messages,omitempty"`
	MessageMS     *stats.Summary `json:"message_ms,omitempty"`

	// Moves that were asked for, that succeeded, and that failed. The others found
	// no time: the ones before took too long.
	Asked      int `json:"migrations_asked"`
	Migrations int `json:"migrations"`
	Failed     int `json:"migrations_failed"`

	// Of the moves that succeeded.
	OutageMS  stats.Summary `json:"outage_ms"`
	OutageRTT stats.Summary `json:"outage_rtt"`
	Moves     []BenchMove   `json:"moves"`
}

// BenchMove is an attempt to move a connection.
type BenchMove struct {
	Conn      string         `json:"conn"`
	At        float64        `json:"at"` // s since the start
	From      netip.AddrPort `json:"from"`
	To        netip.AddrPort `json:"to"`
	TookMS    float64        `json:"took_ms"` // the call, one round trip
	OutageMS  float64        `json:"outage_ms"`
	OutageRTT float64        `json:"outage_rtt"`
	Error     string         `json:"error,omitempty"`
}

// report sums up the results of the runs, which took the given time.
func (r BenchRequest) report(runs []*benchRun, took time.Duration) *BenchReport {
	rep := &BenchReport{Mode: r.Mode, Seconds: took.Seconds(), Asked: r.Migrations * len(runs), Moves: []BenchMove{}}
	var ms, rtts []float64
	for _, run := range runs {
		rep.Bytes += run.measurement.Bytes()
		for _, m := range run.outages() {
			rep.Moves = append(rep.Moves, m)
			if m.Error != "" {
				rep.Failed++
				continue
			}
			rep.Migrations++
			ms, rtts = append(ms, m.OutageMS), append(rtts, m.OutageRTT)
		}
	}
	rep.BitsPerSecond = float64(rep.Bytes) * 8 / rep.Seconds
	rep.OutageMS, rep.OutageRTT = stats.Summarize(ms), stats.Summarize(rtts)
	rep.Messages, rep.MessageMS = messages(runs, func(*benchRun) int { return 0 })
	return rep
}

// messages sums up the messages that came back, from number skip on. It returns nil if
// there are none.
func messages(runs []*benchRun, skip func(*benchRun) int) (int, *stats.Summary) {
	var ms []float64
	for _, run := range runs {
		for _, d := range run.measurement.RoundTrips(skip(run)) {
			ms = append(ms, stats.Milliseconds(d))
		}
	}
	if len(ms) == 0 {
		return 0, nil
	}
	s := stats.Summarize(ms)
	return len(ms), &s
}
