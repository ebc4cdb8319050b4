// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/internal/lab"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/view"
)

// labText tells of a run as it goes on. Errors of the output don't end it: that of
// the table at the end does.
type labText struct {
	out io.Writer
}

func (t *labText) hooks() lab.Hooks {
	return lab.Hooks{
		Before: func(_ context.Context, s lab.Scene) error {
			_, err := fmt.Fprintf(t.out, "\n%s: %s\n", s.Name, s.Title)
			return err
		},
		Event: func(e node.Event) {
			o := view.Options{}
			if term := terminalOf(t.out); term != nil {
				o.Width, _ = term.size()
				o.Colour = term.colour
			}
			fmt.Fprintln(t.out, view.Event(e, o))
		},
		After: func(r lab.Result) {
			fmt.Fprintf(t.out, "  %s, seen as %v; bulk out for %s, interactive for %s; %d bytes, %s; kernel TCP %s\n",
				r.Uplink, r.Public, outage(r.Bulk), outage(r.Interactive), r.Bulk.Bytes, intact(r), kernelFate(r.Kernel))
		},
	}
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

// printLab prints what all scenes have brought.
func printLab(w io.Writer, r *lab.Report) error {
	var b strings.Builder
	b.WriteByte('\n')
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
