// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/mnet-dev/mnet/internal/lab/demo"
)

// redraw is how often the bar is drawn, in real time.
const redraw = 100 * time.Millisecond

// progress draws a bar, or nothing if the output is no terminal.
type progress struct {
	out  io.Writer // nil: draw nothing
	bar  *progressbar.ProgressBar
	last time.Time
}

func newProgress(out io.Writer, quiet bool) *progress {
	if f, ok := out.(*os.File); !ok || quiet || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	return &progress{out: out}
}

// show draws the progress, unless it did a moment ago.
func (b *progress) show(p demo.Progress) {
	if b.out == nil || time.Since(b.last) < redraw {
		return
	}
	b.last = time.Now()
	if b.bar == nil {
		b.bar = newBar(b.out, p.Total)
	}
	b.bar.Describe(fmt.Sprintf("%6.2fs  move %-3d %-26s", p.Virtual.Seconds(), p.Migrations, p.Path.String()))
	// An error of the terminal is no reason to end the run.
	_ = b.bar.Set64(p.Received)
}

// clear takes the bar off the screen.
func (b *progress) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

func newBar(out io.Writer, total int64) *progressbar.ProgressBar {
	theme := progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}
	colour := os.Getenv("NO_COLOR") == "" // https://no-color.org
	if colour {
		theme.Saucer, theme.SaucerHead = "[green]=[reset]", "[green]>[reset]"
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionEnableColorCodes(colour),
		progressbar.OptionSetWidth(24),
		// The time shown is virtual and stands in front.
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish(),
	)
}
