// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// style is a set of SGR parameters; empty for plain text.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	green  style = "32"
	yellow style = "1;33"
	red    style = "1;31"
)

func (o Options) paint(s style, text string) string {
	if !o.Colour || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// width is how many columns of a terminal a text takes.
func width(text string) int { return uniseg.StringWidth(text) }

const ellipsis = "…"

// Cut shortens a text to at most n columns, with a mark where it was longer.
func Cut(text string, n int) string {
	if width(text) <= n {
		return text
	}
	var b strings.Builder
	room := n - width(ellipsis)
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if room -= g.Width(); room < 0 {
			break
		}
		b.WriteString(g.Str())
	}
	return b.String() + ellipsis
}

// clean makes a text safe that others may have chosen, such as a host's name. It
// removes characters that would move the cursor or give orders to a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
