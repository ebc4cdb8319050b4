// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"strings"
)

// column is one of a table.
type column struct {
	title string
	right bool // aligned to the right
	// weight is how important the column is: where there is no room for all, the
	// lightest goes first.
	weight int
	// least is how far texts of the column may be shortened before a column is
	// left out; 0 for not at all.
	least int
}

// cell is one text of a table.
type cell struct {
	text  string
	style style
}

// gap is between columns.
const gap = "  "

// table writes rows below the titles of columns. It returns the titles of the columns
// that found no room. Columns without any text are left out.
func table(columns []column, rows [][]cell, o Options) (lines, hidden []string) {
	widths := make([]int, len(columns))
	var shown []int
	for i, c := range columns {
		for _, r := range rows {
			widths[i] = max(widths[i], width(r[i].text))
		}
		if widths[i] > 0 {
			widths[i] = max(widths[i], width(c.title))
			shown = append(shown, i)
		}
	}
	for !fit(columns, shown, widths, o.Width) {
		lightest := slices.MinFunc(shown, func(a, b int) int { return columns[a].weight - columns[b].weight })
		shown = slices.DeleteFunc(shown, func(i int) bool { return i == lightest })
		hidden = append(hidden, strings.ToLower(columns[lightest].title))
	}
	titles := make([]cell, len(columns))
	for i, c := range columns {
		titles[i] = cell{c.title, faint}
	}
	for _, r := range slices.Insert(rows, 0, titles) {
		lines = append(lines, row(columns, shown, widths, r, o))
	}
	return lines, hidden
}

// fit narrows the columns that are shown, the lightest first, until they fit into
// limit. It leaves widths as they are and reports false if they cannot; the last
// column is narrowed in any case.
func fit(columns []column, shown, widths []int, limit int) bool {
	if limit <= 0 {
		return true
	}
	excess := len(gap)*(len(shown)-1) - limit
	for _, i := range shown {
		excess += widths[i]
	}
	if len(shown) == 1 && excess > 0 {
		widths[shown[0]] = limit
		return true
	}
	narrow := slices.Clone(widths)
	order := slices.SortedFunc(slices.Values(shown), func(a, b int) int { return columns[a].weight - columns[b].weight })
	for _, i := range order {
		if least := columns[i].least; least > 0 && excess > 0 {
			cut := min(excess, max(0, narrow[i]-least))
			narrow[i] -= cut
			excess -= cut
		}
	}
	if excess > 0 {
		return false
	}
	copy(widths, narrow)
	return true
}

func row(columns []column, shown, widths []int, cells []cell, o Options) string {
	var b strings.Builder
	for n, i := range shown {
		if n > 0 {
			b.WriteString(gap)
		}
		text := Cut(cells[i].text, widths[i])
		pad := strings.Repeat(" ", widths[i]-width(text))
		switch {
		case columns[i].right:
			b.WriteString(pad + o.paint(cells[i].style, text))
		case n == len(shown)-1: // no blanks at the end of the line
			b.WriteString(o.paint(cells[i].style, text))
		default:
			b.WriteString(o.paint(cells[i].style, text) + pad)
		}
	}
	return strings.TrimRight(b.String(), " ")
}
