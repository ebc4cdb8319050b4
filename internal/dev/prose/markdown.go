// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// maxColumns is the width of a line of Markdown prose that a review shows unwrapped.
const maxColumns = 100

var markdownParser = goldmark.New(goldmark.WithExtensions(extension.Table)).Parser()

// destination matches the part of a line that may lie beyond maxColumns, since it
// cannot be wrapped.
var destination = regexp.MustCompile(`\]\([^)]*\)|https?://\S+`)

func checkMarkdown(file string, src []byte) []finding {
	doc := markdownParser.Parse(text.NewReader(src))
	var all []finding
	for _, p := range paragraphs(doc, src) {
		for _, l := range p {
			if l.columns > maxColumns {
				all = append(all, finding{file, l.number, "columns", fmt.Sprint(l.columns)})
			}
		}
		all = append(all, checkParagraph(file, p)...)
	}
	return append(all, checkLinks(file, doc, src)...)
}

// line is a line of a paragraph.
type line struct {
	number  int    // in the file, from 1
	text    string // without indentation and the marker of a list
	columns int    // of the whole line, without destinations of links
}

// paragraphs returns the lines of each paragraph of prose: paragraphs, quotations
// and items of lists, but not headings, code, HTML and tables.
func paragraphs(doc ast.Node, src []byte) [][]line {
	var all [][]line
	// The walk itself returns the errors of its function only.
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.Kind() {
		case ast.KindHeading, ast.KindCodeBlock, ast.KindFencedCodeBlock, ast.KindHTMLBlock, tables.KindTable:
			return ast.WalkSkipChildren, nil
		case ast.KindParagraph, ast.KindTextBlock:
			var p []line
			for _, s := range n.Lines().Sliced(0, n.Lines().Len()) {
				whole := src[bytes.LastIndexByte(src[:s.Start], '\n')+1 : s.Stop]
				whole = bytes.TrimRight(destination.ReplaceAll(whole, []byte("]")), "\r\n")
				p = append(p, line{
					number:  lineNumber(src, s.Start),
					text:    string(s.Value(src)),
					columns: utf8.RuneCount(whole),
				})
			}
			all = append(all, p)
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return all
}

// lineNumber returns the number of the line, from 1, that the offset is in.
func lineNumber(src []byte, offset int) int {
	return bytes.Count(src[:offset], []byte("\n")) + 1
}
