// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// citation is a rule's number in a comment or a document.
type citation struct {
	place
	name string
	kind kind
	// quote is the text of the rule, as the comment of a test has it.
	quote string
}

// kind is the kind of a place that cites.
type kind int

const (
	mention kind = iota // neither code nor the comment in front of a test
	code
	guard
)

// quoteHead begins a paragraph that quotes a rule.
var quoteHead = regexp.MustCompile(`^(M[1-9][0-9]{2}): +(.+)$`)

// citeText finds citations in a text that is no source code.
func citeText(file, text string) (found []citation) {
	for i, line := range strings.Split(text, "\n") {
		for _, name := range ruleName.FindAllString(line, -1) {
			found = append(found, citation{place: place{file, i + 1}, name: name})
		}
	}
	return found
}

// citePatch finds citations in the comments that a patch adds.
func citePatch(file, text string) (found []citation) {
	k := mention
	for i, line := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(line, "+++ "); ok {
			k = mention
			if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				k = code
			}
			continue
		}
		added, ok := strings.CutPrefix(line, "+")
		if !ok {
			continue
		}
		_, comment, _ := strings.Cut(added, "//")
		for _, name := range ruleName.FindAllString(comment, -1) {
			found = append(found, citation{place: place{file, i + 1}, name: name, kind: k})
		}
	}
	return found
}

// citeGo finds citations in the comments of a Go file.
func citeGo(file, text string) (found []citation, err error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	isTest := strings.HasSuffix(file, "_test.go")
	docs := make(map[*ast.CommentGroup]bool)
	for _, d := range f.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && isTest && d.Recv == nil && runs(d.Name.Name) {
			docs[d.Doc] = true
		}
	}
	for _, group := range f.Comments {
		lines := commentLines(fset, file, group)
		switch {
		case docs[group]:
			found = append(found, citeQuotes(lines)...)
		case isTest:
			found = append(found, cite(lines, mention)...)
		default:
			found = append(found, cite(lines, code)...)
		}
	}
	return found, nil
}

// runs reports whether go test runs a function of this name, as go vet has it.
func runs(name string) bool {
	for _, prefix := range []string{"Test", "Fuzz"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			r, _ := utf8.DecodeRuneInString(rest)
			return rest == "" || !unicode.IsLower(r)
		}
	}
	return false
}

// commentLine is a line of a comment without its marks.
type commentLine struct {
	place
	text string
}

func commentLines(fset *token.FileSet, file string, group *ast.CommentGroup) (lines []commentLine) {
	for _, c := range group.List {
		line := fset.PositionFor(c.Pos(), false).Line
		text := strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/")
		for i, t := range strings.Split(strings.TrimPrefix(text, "//"), "\n") {
			lines = append(lines, commentLine{place{file, line + i}, strings.TrimSpace(t)})
		}
	}
	return lines
}

func cite(lines []commentLine, k kind) (found []citation) {
	for _, l := range lines {
		for _, name := range ruleName.FindAllString(l.text, -1) {
			found = append(found, citation{place: l.place, name: name, kind: k})
		}
	}
	return found
}

// citeQuotes finds the paragraphs by which the comment of a test quotes rules. Numbers
// elsewhere in the comment are mentions.
func citeQuotes(lines []commentLine) (found []citation) {
	open := false
	for _, l := range lines {
		if m := quoteHead.FindStringSubmatch(l.text); m != nil {
			found = append(found, citation{place: l.place, name: m[1], kind: guard, quote: plain(m[2])})
			open = true
			continue
		}
		if open = open && l.text != ""; open {
			last := &found[len(found)-1]
			last.quote += " " + plain(l.text)
			continue
		}
		found = append(found, cite([]commentLine{l}, mention)...)
	}
	return found
}
