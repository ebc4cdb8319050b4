// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"time"

	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// Row is the result of a [Cell]. Fields that say nothing about it are nil.
type Row struct {
	Peer      Peer      `json:"peer"`
	RTTMS     float64   `json:"rtt_ms"`
	Mode      Mode      `json:"mode"`
	Direction Direction `json:"direction"`

	// N is how many handovers there were. OK is how many of them the connection
	// survived by the means of its peer, with every byte right. The figures are of
	// these.
	N  int `json:"n"`
	OK int `json:"ok"`

	// The outage; for idle connections, the time until each had moved.
	MedianMS  float64  `json:"median_ms"`
	P95MS     float64  `json:"p95_ms"`
	MinMS     float64  `json:"min_ms"`
	MedianRTT float64  `json:"median_rtt"`
	P95RTT    float64  `json:"p95_rtt"`
	FloorRTT  *float64 `json:"floor_rtt,omitempty"`

	// Limit is for the median. Within says whether it is kept, and that all runs
	// are OK.
	LimitRTT *float64 `json:"limit_rtt,omitempty"`
	Within   *bool    `json:"within,omitempty"`

	// NextMB is the time from the handover until 1 MB has arrived. NextMBWithin says
	// whether mnet's median is no later than that of the reconnecting client, to the
	// millisecond.
	NextMBMedianMS *float64 `json:"next_mb_median_ms,omitempty"`
	NextMBP95MS    *float64 `json:"next_mb_p95_ms,omitempty"`
	NextMBWithin   *bool    `json:"next_mb_within,omitempty"`

	// LastMS is when the last of the idle connections had moved. CPUSeconds is the CPU
	// time of the process until then, for client, server and all wires.
	LastMS     *float64 `json:"last_ms,omitempty"`
	CPUSeconds *float64 `json:"cpu_s,omitempty"`
}

// result is the result of one handover.
type result struct {
	outage time.Duration
	nextMB time.Duration // zero if nobody waits for it
}

// row sums up n runs. results are the results of the runs that succeeded.
func (c Cell) row(n int, results []result) Row {
	var outages, next []float64
	for _, r := range results {
		outages = append(outages, stats.Milliseconds(r.outage))
		if r.nextMB > 0 {
			next = append(next, stats.Milliseconds(r.nextMB))
		}
	}
	row := c.newRow(n, outages)
	row.FloorRTT = new(c.floor())
	if limit := c.Limit(); limit > 0 {
		row.LimitRTT, row.Within = &limit, new(row.OK == n && row.MedianRTT <= limit)
	}
	if len(next) > 0 {
		sum := stats.Summarize(next)
		row.NextMBMedianMS, row.NextMBP95MS = &sum.Median, &sum.P95
	}
	return row
}

// newRow returns a row with the columns that all rows have.
func (c Cell) newRow(n int, times []float64) Row {
	s, rtt := stats.Summarize(times), stats.Milliseconds(c.RTT)
	row := Row{
		Peer: c.Peer, RTTMS: rtt, Mode: c.Mode, Direction: c.Direction,
		N: n, OK: len(times),
		MedianMS: s.Median, P95MS: s.P95,
		MedianRTT: s.Median / rtt, P95RTT: s.P95 / rtt,
	}
	for i, t := range times {
		if i == 0 || t < row.MinMS {
			row.MinMS = t
		}
	}
	return row
}

// resolutionMS is the least difference that the emulated network can show.
const resolutionMS = 1

// compare fills in the columns that need the row of the other peer.
func compare(rows []Row) {
	for i := range rows {
		r := &rows[i]
		for _, o := range rows {
			same := o.RTTMS == r.RTTMS && o.Mode == r.Mode && o.Direction == r.Direction
			if same && r.Peer == Mnet && o.Peer == Reconnect && r.NextMBMedianMS != nil && o.NextMBMedianMS != nil {
				r.NextMBWithin = new(*r.NextMBMedianMS <= *o.NextMBMedianMS+resolutionMS)
			}
		}
	}
}
