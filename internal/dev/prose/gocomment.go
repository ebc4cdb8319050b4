// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/text"
)

// Comments that are no prose: directives, which have no space before the first word,
// and the expected output of an Example.
var (
	directive     = regexp.MustCompile(`^//[a-z0-9]+:|^//(line|export|extern|nolint) `)
	exampleOutput = regexp.MustCompile(`(?i)^// *(unordered )?output:`)
)

func checkGo(file string, src []byte) ([]finding, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(f) {
		return nil, nil
	}
	var all []finding
	for _, group := range f.Comments {
		if exampleOutput.MatchString(group.List[0].Text) {
			continue
		}
		first := fset.Position(group.Pos()).Line - 1
		// The syntax of doc comments is close enough to Markdown's: paragraphs, lists,
		// and code that is indented.
		md := []byte(commentText(group))
		for _, p := range paragraphs(markdownParser.Parse(text.NewReader(md)), md) {
			for i := range p {
				p[i].number += first
			}
			all = append(all, checkParagraph(file, p)...)
		}
	}
	return all, nil
}

// commentText returns the text of a group without comment markers, a line for each
// line of the file.
func commentText(group *ast.CommentGroup) string {
	var lines []string
	for _, c := range group.List {
		switch body, isLine := strings.CutPrefix(c.Text, "//"); {
		case directive.MatchString(c.Text):
			lines = append(lines, "")
		case isLine:
			lines = append(lines, strings.TrimPrefix(body, " "))
		default:
			body = strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/")
			lines = append(lines, strings.Split(body, "\n")...)
		}
	}
	return strings.Join(lines, "\n")
}
