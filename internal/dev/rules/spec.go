// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"
)

// place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// rule is a numbered rule of the specification.
type rule struct {
	place
	name    string
	section string // in which it stands
	text    string // in one line, without markup
}

var (
	heading  = regexp.MustCompile(`^## ([0-9]+)\. `)
	ruleHead = regexp.MustCompile(`^- \*\*(M[0-9]+)\*\* (.+)$`)
	ruleBold = regexp.MustCompile(`\*\*(M[0-9]+)\*\*`)
	ruleName = regexp.MustCompile(`\bM[1-9][0-9]{2}\b`)
)

// parseSpec finds the rules of a specification, and items that look like a rule and are
// none. The text of a rule ends at a blank line or the next item of the list.
func parseSpec(file, text string) (rules []rule, findings []finding) {
	section := ""
	open := false // the last rule goes on
	for i, line := range strings.Split(text, "\n") {
		at := place{file, i + 1}
		if m := heading.FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		if m := ruleHead.FindStringSubmatch(line); m != nil {
			rules = append(rules, rule{place: at, name: m[1], section: section, text: plain(m[2])})
			open = true
			continue
		}
		if m := ruleBold.FindStringSubmatch(line); m != nil {
			findings = append(findings, finding{at, m[1] + " is bold, but does not begin an item of a list as rules do"})
		}
		if open = open && strings.HasPrefix(line, "  ") && strings.TrimSpace(line) != ""; open {
			last := &rules[len(rules)-1]
			last.text += " " + plain(line)
		}
	}
	return rules, findings
}

// plain returns the words of s, with single blanks and without Markdown's marks.
func plain(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("`", "", "*", "").Replace(s)), " ")
}
