// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// kernelLink is the veth between two sockets of the kernel.
const kernelLink = "veth"

// aim is how many times as fast as water vnet_hdr has to be.
const aim = 3

// series is a link and direction, which each round measures once.
type series struct {
	link      string
	direction direction
}

func (s series) String() string { return s.link + "/" + string(s.direction) }

// results are the measurements of each series, one a round.
type results map[series][]measurement

// values returns a figure of all rounds.
func (r results) values(s series, of func(measurement) float64) []float64 {
	vs := make([]float64, len(r[s]))
	for i, m := range r[s] {
		vs[i] = of(m)
	}
	return vs
}

// ratio is the median of the ratios of paired runs, with the quartiles; ok is false
// if one of the series was not measured.
func (r results) ratio(s series, base string) (low, median, high float64, ok bool) {
	a, b := r[s], r[series{base, s.direction}]
	if len(a) == 0 || len(a) != len(b) {
		return 0, 0, 0, false
	}
	vs := make([]float64, len(a))
	for i := range a {
		vs[i] = a[i].gbits / b[i].gbits
	}
	return stats.Quantile(vs, 0.25), stats.Median(vs), stats.Quantile(vs, 0.75), true
}

// print writes a line for each series.
func (r results) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "link\tdirection\tGbit/s\tCPU s/GB\tto water\tto veth")
	for _, link := range []string{kernelLink, tun.Water.String(), tun.VNetHdr.String()} {
		for _, d := range directions {
			s := series{link, d}
			if len(r[s]) == 0 {
				continue
			}
			gbits := stats.Median(r.values(s, func(m measurement) float64 { return m.gbits }))
			cpu := stats.Median(r.values(s, func(m measurement) float64 { return m.cpu }))
			fmt.Fprintf(tw, "%s\t%s\t%.2f\t%.3f\t%s\t%s\n", link, d, gbits, cpu,
				r.formatRatio(s, tun.Water.String()), r.formatRatio(s, kernelLink))
		}
	}
	return tw.Flush()
}

func (r results) formatRatio(s series, base string) string {
	low, median, high, ok := r.ratio(s, base)
	if !ok || s.link == base {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median, low, high)
}

// verdict says whether vnet_hdr is as fast as it should be.
func (r results) verdict(w io.Writer) error {
	var slow []direction
	for _, d := range directions {
		if _, median, _, ok := r.ratio(series{tun.VNetHdr.String(), d}, tun.Water.String()); !ok || median < aim {
			slow = append(slow, d)
		}
	}
	if len(slow) > 0 {
		return fmt.Errorf("%v is less than %d times as fast as %v: %v", tun.VNetHdr, aim, tun.Water, slow)
	}
	_, err := fmt.Fprintf(w, "\n%v is at least %d times as fast as %v in both directions.\n", tun.VNetHdr, aim, tun.Water)
	return err
}
