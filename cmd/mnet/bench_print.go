// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/internal/node"
)

// benching prints the results of a measurement.
type benching struct {
	out    io.Writer
	json   bool
	report *node.BenchReport
}

// event takes an event of the node.
func (p *benching) event(ev node.BenchEvent) error {
	if ev.Error != "" {
		return errors.New(ev.Error)
	}
	if ev.Report != nil {
		p.report = ev.Report
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(ev)
	}
	var b strings.Builder
	switch {
	case ev.Start != nil:
		printBenchStart(&b, ev.Start)
	case ev.Interval != nil:
		printBenchInterval(&b, ev.Interval)
	case ev.Report != nil:
		printBenchReport(&b, ev.Report)
	}
	_, err := io.WriteString(p.out, b.String())
	return err
}

// end returns the error of the command.
func (p *benching) end() error {
	switch r := p.report; {
	case r == nil:
		return errors.New("the node has gone down")
	case r.Failed > 0:
		return fmt.Errorf("%d of %d migrations have failed", r.Failed, r.Asked)
	case r.Migrations < r.Asked:
		return fmt.Errorf("there was time for %d of %d migrations only: ask for fewer, or measure longer", r.Migrations, r.Asked)
	}
	return nil
}

func printBenchStart(w io.Writer, s *node.BenchStart) {
	for _, c := range s.Connections {
		can := "can migrate, " + c.Suite
		if !c.Migratable {
			can = c.Why
		}
		fmt.Fprintf(w, "connection %s from %v to %v: RTT %.2f ms; %s\n", c.ID, c.Local, c.Remote, c.RTTMS, can)
	}
}

func printBenchInterval(w io.Writer, iv *node.BenchInterval) {
	fmt.Fprintf(w, "%7.2f to %7.2f s  ", iv.Begin, iv.End)
	if m := iv.MessageMS; m != nil {
		fmt.Fprintf(w, "%d messages, median %.2f ms, max %.2f ms\n", iv.Messages, m.Median, m.Max)
		return
	}
	fmt.Fprintf(w, "%10.2f MB  %10.2f Mbit/s\n", float64(iv.Bytes)/1e6, iv.BitsPerSecond/1e6)
}

func printBenchReport(w io.Writer, r *node.BenchReport) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer tw.Flush() // to a strings.Builder, which never fails
	if len(r.Moves) > 0 {
		fmt.Fprintln(tw, "\nat\tconnection\tfrom\tto\toutage")
	}
	for _, m := range r.Moves {
		outage := fmt.Sprintf("%.1f ms\t%.2f RTT", m.OutageMS, m.OutageRTT)
		if m.Error != "" {
			outage = m.Error
		}
		fmt.Fprintf(tw, "%.2f s\t%s\t%v\t%v\t%s\n", m.At, m.Conn, m.From, m.To, outage)
	}
	fmt.Fprintf(tw, "\nbytes\t%d, all of them right\n", r.Bytes)
	fmt.Fprintf(tw, "rate\t%.2f Mbit/s in %.2f s\n", r.BitsPerSecond/1e6, r.Seconds)
	row := func(name string, s stats.Summary, unit string) {
		fmt.Fprintf(tw, "%s\tmedian %.2f %s, 95 %% %.2f %[3]s, max %.2[5]f %[3]s\n", name, s.Median, unit, s.P95, s.Max)
	}
	if r.MessageMS != nil {
		row("messages", *r.MessageMS, "ms")
	}
	if r.Migrations > 0 {
		row("outage", r.OutageMS, "ms")
		row("", r.OutageRTT, "RTT")
	}
}
