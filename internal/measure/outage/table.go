// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes rows for people to read.
func WriteTable(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "peer\tRTT\tmode\tdirection\tok\tmedian\tp95\tmin\tin RTT\tfloor\tlimit\tnext MB\tp95\t")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%.0f ms\t%s\t%s\t%d/%d\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t%s\t%s\t%s\t%s\n",
			r.Peer, r.RTTMS, r.Mode, r.Direction, r.OK, r.N, r.MedianMS, r.P95MS, r.MinMS, r.MedianRTT,
			number("%.1f", r.FloorRTT), number("%.1f", r.LimitRTT),
			number("%.0f", r.NextMBMedianMS), number("%.0f", r.NextMBP95MS), r.remark())
	}
	return t.Flush()
}

// WriteProgress writes a row as soon as it is there.
func WriteProgress(w io.Writer, r Row) {
	fmt.Fprintf(w, "%s, RTT %.0f ms, %s, %s: %d of %d, median %.1f ms, %.2f RTT, 95 %% %.1f ms\n",
		r.Peer, r.RTTMS, r.Mode, r.Direction, r.OK, r.N, r.MedianMS, r.MedianRTT, r.P95MS)
}

func number(format string, n *float64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf(format, *n)
}

// remark returns the remark that does not fit the columns.
func (r Row) remark() string {
	switch {
	case r.LastMS != nil && r.CPUSeconds != nil:
		return fmt.Sprintf("last after %.0f ms, %.2f s of CPU", *r.LastMS, *r.CPUSeconds)
	case r.Within != nil && !*r.Within:
		return "over the limit"
	case r.NextMBWithin != nil && !*r.NextMBWithin:
		return "next MB later than reconnecting"
	default:
		return ""
	}
}
