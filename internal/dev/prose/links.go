// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// checkLinks returns the relative links of a Markdown file that lead nowhere.
func checkLinks(file string, doc ast.Node, src []byte) []finding {
	var all []finding
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		l, ok := n.(*ast.Link)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		if err := resolve(file, string(l.Destination)); err != nil {
			all = append(all, finding{file, lineNumber(src, offsetOf(l)), "link", err.Error()})
		}
		return ast.WalkContinue, nil
	})
	return all
}

// resolve returns an error if a link in a file leads to no file or to no heading. It
// passes over links with a scheme.
func resolve(file, destination string) error {
	u, err := url.Parse(destination)
	if err != nil {
		return err
	}
	if u.Scheme != "" || u.Host != "" {
		return nil
	}
	target := file
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(file), filepath.FromSlash(u.Path))
	}
	if _, err := os.Stat(target); err != nil {
		return fmt.Errorf("%s: no such file", destination)
	}
	if u.Fragment == "" || filepath.Ext(target) != ".md" {
		return nil
	}
	src, err := os.ReadFile(target)
	if err != nil {
		return err
	}
	if !anchors(src)[u.Fragment] {
		return fmt.Errorf("%s: no such heading", destination)
	}
	return nil
}

// anchors returns the fragments by which the headings of a Markdown file are reached,
// in the form that GitHub and GitLab give them.
func anchors(src []byte) map[string]bool {
	all := make(map[string]bool)
	_ = ast.Walk(markdownParser.Parse(text.NewReader(src)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering {
			base := anchor(plainText(h, src))
			name := base
			for i := 1; all[name]; i++ {
				name = fmt.Sprintf("%s-%d", base, i)
			}
			all[name] = true
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	return all
}

func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// plainText returns the text below a node, without markup.
func plainText(n ast.Node, src []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(src))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// offsetOf returns where the text below a node begins, or 0 if there is none.
func offsetOf(n ast.Node) int {
	offset := 0
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			offset = t.Segment.Start
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return offset
}
