// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package endpoint

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/endpoint/internal/limits"
)

// BenchmarkRoamMany takes the uplink of a thousand connections away.
func BenchmarkRoamMany(b *testing.B) {
	const n = 1000
	w := newCrowd(b, n)
	var all []time.Duration
	var cpu time.Duration
	for range b.N {
		before := processTime(b)
		all = append(all, w.leave(0)...)
		cpu += processTime(b) - before
		w.carry(1, w.write)
		w.carry(1, w.read)
		moves := len(w.events.moves())
		w.mend(0)
		w.until("back", time.Hour, func() bool { return len(w.events.moves()) == moves+n })
		w.sleep(2 * limits.Proof)
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(float64(len(all))/float64(b.N), "moved/op")
	b.ReportMetric(ms(all[len(all)/2]), "virtual-ms-median")
	b.ReportMetric(ms(all[len(all)*95/100]), "virtual-ms-p95")
	b.ReportMetric(ms(all[len(all)-1]), "virtual-ms-max")
	b.ReportMetric(ms(cpu)/float64(len(all)), "cpu-ms/conn")
	b.ReportMetric(float64(w.peak), "attempts-peak")
	b.ReportMetric(0, "ns/op")
}

// processTime returns the time that all threads of the process have run so far.
func processTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
