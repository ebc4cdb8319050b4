// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// summarize writes the median of each figure in each series. All series but the first
// have the median of the paired ratios beside it, with the quartiles. The heap of a
// connection is compared by difference.
func summarize(w io.Writer, all []*series) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer tw.Flush()
	fmt.Fprintf(tw, "\nbenchmark\tunit")
	for i, s := range all {
		fmt.Fprintf(tw, "\t%s", s.name)
		if i > 0 {
			fmt.Fprintf(tw, "\tto %s", all[0].name)
		}
	}
	fmt.Fprintln(tw)
	for _, k := range keys(all) {
		fmt.Fprintf(tw, "%s\t%s", k.benchmark, k.unit)
		for i, s := range all {
			fmt.Fprintf(tw, "\t%s", s.median(k))
			if i > 0 {
				fmt.Fprintf(tw, "\t%s", paired(k, all[0], s))
			}
		}
		fmt.Fprintln(tw)
	}
}

// keys returns all figures that any series has, in order.
func keys(all []*series) []key {
	seen := results{}
	var ks []key
	for _, s := range all {
		for _, r := range s.rounds {
			for k := range r {
				if _, ok := seen[k]; !ok {
					seen[k] = 0
					ks = append(ks, k)
				}
			}
		}
	}
	slices.SortFunc(ks, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.benchmark, b.benchmark), cmp.Compare(a.unit, b.unit))
	})
	return ks
}

// median formats the median of a figure.
func (s *series) median(k key) string {
	var vs []float64
	for _, r := range s.rounds {
		if v, ok := r[k]; ok {
			vs = append(vs, v)
		}
	}
	if len(vs) == 0 {
		return "-"
	}
	return format(stats.Median(vs))
}

// format drops the digits that are noise.
func format(v float64) string {
	switch {
	case v == 0 || v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v < 0.001:
		return "<0.001"
	default:
		return fmt.Sprintf("%.4g", v)
	}
}

// paired formats the comparison of a figure, round by round.
func paired(k key, base, s *series) string {
	difference := strings.HasSuffix(k.unit, "B/conn")
	var vs []float64
	for i := range s.rounds {
		b, ok := base.rounds[i][k]
		v, ok2 := s.rounds[i][k]
		switch {
		case !ok || !ok2:
		case difference:
			vs = append(vs, v-b)
		case b != 0:
			vs = append(vs, v/b)
		}
	}
	switch {
	case len(vs) == 0:
		return "-"
	case difference:
		return fmt.Sprintf("%+.0f", stats.Median(vs))
	default:
		return fmt.Sprintf("%.3f (%.3f to %.3f)", stats.Median(vs), stats.Quantile(vs, 0.25), stats.Quantile(vs, 0.75))
	}
}
