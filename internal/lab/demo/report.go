// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// Report is the result of a run. Times are virtual unless they say real.
type Report struct {
	// Bytes that the client's application received; the HTTP header not counted.
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	SHA256Equal bool   `json:"sha256_equal"`

	// Migrations that the two ends have counted as their own.
	Migrations int `json:"migrations"`
	// Outages: see Move.
	OutageMS  stats.Summary `json:"outage_ms"`
	OutageRTT stats.Summary `json:"outage_rtt"`
	// LongestStallMS is the longest time between two reads in the whole run, stalls by
	// loss included.
	LongestStallMS float64 `json:"longest_stall_ms"`

	// RetransmittedBytes is the payload that the server sent below the highest
	// sequence number it had sent before.
	RetransmittedBytes int64 `json:"retransmitted_bytes"`
	// HeaderBytes is the mean length of the TCP header, options included, of the
	// server's data segments.
	HeaderBytes HeaderBytes `json:"header_bytes_per_data_segment"`

	// NATInvalid counts the packets that the NAT dropped since they did not fit the
	// connection as it knew it.
	NATInvalid uint64 `json:"nat_invalid_packets"`

	Suite string  `json:"suite"`
	Seed  uint64  `json:"seed"`
	RTTMS float64 `json:"rtt_ms"`
	Rate  int64   `json:"rate_bits_per_second"`
	Loss  float64 `json:"loss"`

	VirtualSeconds float64 `json:"virtual_seconds"` // until the last byte
	RealSeconds    float64 `json:"real_seconds"`

	Moves []Move `json:"moves"`
}

// HeaderBytes are means before the first migration and after it; 0 if there was no
// data segment.
type HeaderBytes struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Move is one migration.
//
// Its outage is how long the client's application is without data. It ends when the
// application reads the first byte that came over the new path. If the old address is
// gone before the move begins (BreakFirst), the outage begins at that instant. Else
// data still arrives over the old path meanwhile. The outage is then the longest time
// between two reads from the beginning of the move to that byte. The end of the file
// ends it in any case.
type Move struct {
	AtMS       float64 `json:"at_ms"` // when it began
	Initiator  string  `json:"initiator"`
	BreakFirst bool    `json:"break_before_make"`
	From       Path    `json:"from"`
	To         Path    `json:"to"`
	Attempts   int     `json:"attempts"`
	OutageMS   float64 `json:"outage_ms"`
	OutageRTT  float64 `json:"outage_rtt"`
}

// Path is the addresses of the connection as the two stacks have them.
type Path struct {
	Client netip.Addr `json:"client"`
	Server netip.Addr `json:"server"`
	NAT    bool       `json:"nat"` // in front of the client
}

func (p Path) String() string {
	if p.NAT {
		return fmt.Sprintf("%v (NAT) > %v", p.Client, p.Server)
	}
	return fmt.Sprintf("%v > %v", p.Client, p.Server)
}

// report sums the run up.
func (r *run) report() (*Report, error) {
	got := r.sum.Sum(nil)
	client, server := r.client.Load().Migration(), r.server.Load().Migration()
	rep := &Report{
		Bytes:          r.received,
		SHA256:         fmt.Sprintf("%x", got),
		SHA256Equal:    r.received == r.source.size && bytes.Equal(got, r.source.sum[:]),
		Migrations:     int(client.Initiated + server.Initiated),
		LongestStallMS: stats.Milliseconds(r.network.meter.longestStall()),
		NATInvalid:     r.network.invalid(),
		Suite:          client.Suite.String(),
		Seed:           r.cfg.Seed,
		RTTMS:          stats.Milliseconds(r.cfg.RTT),
		Rate:           r.cfg.Rate,
		Loss:           r.cfg.Loss,
		VirtualSeconds: r.virtual.Seconds(),
		Moves:          append([]Move{}, r.moves...), // never null in JSON
	}
	rep.RetransmittedBytes, rep.HeaderBytes.Before, rep.HeaderBytes.After = r.network.sender.snapshot()
	var outages, rtts []float64
	for _, m := range r.moves {
		outages = append(outages, m.OutageMS)
		rtts = append(rtts, m.OutageRTT)
	}
	rep.OutageMS, rep.OutageRTT = stats.Summarize(outages), stats.Summarize(rtts)
	if rep.Migrations != len(r.steps) {
		return nil, fmt.Errorf("the ends have counted %d migrations, expected %d", rep.Migrations, len(r.steps))
	}
	return rep, nil
}
