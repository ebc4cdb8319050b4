// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/mnet-dev/mnet/internal/lab"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/view"
)

// labText reports a run as it goes on. On a terminal, a line at the end shows the
// present state. Errors of the output don't end the run. An error at the table in the
// end does.
type labText struct {
	out  io.Writer
	term *terminal // nil if out is none

	mu sync.Mutex
}

func newLabText(out io.Writer) *labText { return &labText{out: out, term: terminalOf(out)} }

func (t *labText) hooks() lab.Hooks {
	h := lab.Hooks{
		Before: func(_ context.Context, s lab.Scene) error {
			t.print(fmt.Sprintf("\n%s: %s", s.Name, s.Title))
			return nil
		},
		Event: func(e node.Event) { t.print(view.Event(e, t.options())) },
		After: func(r lab.Result) {
			t.print(fmt.Sprintf("  %s, seen as %v; bulk out for %s, interactive for %s; %s, %s; kernel TCP %s",
				r.Uplink, r.Public, outage(r.Bulk), outage(r.Interactive), view.Bytes(r.Bulk.Bytes), intact(r), kernelFate(r.Kernel)))
		},
	}
	if t.term != nil {
		h.Live = t.live
	}
	return h
}

func (t *labText) options() (o view.Options) {
	if t.term != nil {
		o.Width, _ = t.term.size()
		o.Colour = t.term.colour
	}
	return o
}

// print writes a line in place of the live one.
func (t *labText) print(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.term != nil {
		t.term.write("\r" + eraseLine)
	}
	fmt.Fprintln(t.out, line)
}

// live writes the line at the end.
func (t *labText) live(l lab.Live) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf("  %s  bulk %s  interactive %s  kernel TCP %s", view.Span(l.Into), pulse(l.Bulk), pulse(l.Interactive), pulse(l.Kernel))
	columns, _ := t.term.size()
	t.term.write("\r" + view.Cut(line, columns-1) + eraseLine)
}

// silence is when it is worth to be told.
const silence = 300 * time.Millisecond

func pulse(p lab.Pulse) string {
	text := view.Bytes(p.Bytes)
	if p.Silent >= silence {
		text += ", silent for " + view.Span(p.Silent)
	}
	return text
}

func intact(r lab.Result) string {
	if r.Bulk.Intact && r.Interactive.Intact {
		return "all as sent"
	}
	return "WRONG"
}

func outage(f lab.FlowResult) string {
	text := view.Milliseconds(f.OutageMS)
	if f.ResumedMS > 0 {
		text += " (resumed in " + view.Milliseconds(f.ResumedMS) + ")"
	}
	return text
}

func kernelFate(k lab.KernelResult) string {
	switch k.Fate {
	case lab.Alive:
		return fmt.Sprintf("%s, out for %s", k.Fate, view.Milliseconds(k.OutageMS))
	case lab.Stalled:
		return fmt.Sprintf("%s for %s", k.Fate, view.Milliseconds(k.OutageMS))
	default:
		return fmt.Sprintf("%s: %s", k.Fate, k.Error)
	}
}

// causes writes each cause once, in the order of their first moves.
func causes(f lab.FlowResult) string {
	var list []string
	for _, c := range f.Causes {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	if list == nil {
		return "-"
	}
	return strings.Join(list, ", ")
}

// printLab prints the results of all scenes.
func printLab(w io.Writer, r *lab.Report) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scene\tuplink\tbulk outage\tinteractive\tmoved, since\tkernel TCP")
	for _, s := range r.Scenes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n",
			s.Scene, s.Uplink, outage(s.Bulk), outage(s.Interactive), causes(s.Bulk), kernelFate(s.Kernel))
	}
	t.Flush() // to a strings.Builder, which never fails
	b.WriteByte('\n')
	if r.Lost == "" {
		t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, f := range []struct {
			name string
			lab.Transfer
		}{{"bulk", r.Bulk}, {"interactive", r.Interactive}} {
			fmt.Fprintf(t, "%s\t%d bytes\tSHA-256 %s\t%d moves\n", f.name, f.Received, equal(f.Equal), f.Moves)
		}
		fmt.Fprintf(t, "server\t\t\t%d moves\n", r.ServerMoves)
		t.Flush()
	}
	_, err := io.WriteString(w, b.String())
	return err
}
