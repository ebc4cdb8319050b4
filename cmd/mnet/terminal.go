// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal is a terminal to draw on. The sequences are from ECMA-48, and xterm's for
// the alternate screen.
type terminal struct {
	f      *os.File
	colour bool
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K" // from the cursor on
	eraseBelow  = "\x1b[J"
)

// terminalOf returns nil if out is no terminal.
func terminalOf(out io.Writer) *terminal {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &terminal{f, os.Getenv("NO_COLOR") == ""} // https://no-color.org
}

// size returns the size of the terminal, or the usual size if it does not tell.
func (t *terminal) size() (columns, lines int) {
	columns, lines, err := term.GetSize(int(t.f.Fd()))
	if err != nil || columns <= 0 || lines <= 0 {
		return 80, 24
	}
	return columns, lines
}

// write writes control sequences. A terminal that is gone is noticed by draw.
func (t *terminal) write(sequence string) { _, _ = io.WriteString(t.f, sequence) }

// draw replaces the contents of the screen, in one write and without erasing it first,
// so that nothing flickers.
func (t *terminal) draw(lines []string) error {
	var b strings.Builder
	b.WriteString(home)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + eraseLine)
	}
	b.WriteString(eraseBelow)
	_, err := io.WriteString(t.f, b.String())
	return err
}
