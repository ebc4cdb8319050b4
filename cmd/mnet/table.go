// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/internal/lab/demo"
)

// printTable prints a report for people.
func printTable(w io.Writer, r *demo.Report) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if len(r.Moves) > 0 {
		fmt.Fprintln(t, "#\tat\tby\tfrom\tto\t\toutage")
	}
	for i, m := range r.Moves {
		kind := "make before break"
		if m.BreakFirst {
			kind = "break before make"
		}
		fmt.Fprintf(t, "%d\t%.2f s\t%s\t%s\t%s\t%s\t%.1f ms\t%.2f RTT\n",
			i+1, m.AtMS/1000, m.Initiator, m.From, m.To, kind, m.OutageMS, m.OutageRTT)
	}
	t.Flush() // to a strings.Builder, which never fails
	if len(r.Moves) > 0 {
		b.WriteByte('\n')
	}

	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("bytes", "%d", r.Bytes)
	row("SHA-256", "%s", equal(r.SHA256Equal))
	row("migrations", "%d", r.Migrations)
	row("outage", "median %.1f ms, 95 %% %.1f ms, max %.1f ms", r.OutageMS.Median, r.OutageMS.P95, r.OutageMS.Max)
	row("", "median %.2f RTT, 95 %% %.2f RTT, max %.2f RTT", r.OutageRTT.Median, r.OutageRTT.P95, r.OutageRTT.Max)
	row("longest stall", "%.1f ms", r.LongestStallMS)
	row("retransmitted", "%d bytes", r.RetransmittedBytes)
	row("TCP header", "%.2f bytes per data segment before, %.2f after the first migration", r.HeaderBytes.Before, r.HeaderBytes.After)
	row("invalid at NAT", "%d packets", r.NATInvalid)
	row("path", "RTT %g ms, %s, %g %% loss", r.RTTMS, (*bitRate)(&r.Rate), r.Loss*100)
	row("suite", "%s", r.Suite)
	row("seed", "%d", r.Seed)
	row("time", "%.2f s virtual, %.2f s real", r.VirtualSeconds, r.RealSeconds)
	t.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

func equal(yes bool) string {
	if yes {
		return "equal"
	}
	return "NOT EQUAL"
}
