// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// maxWords is the length of a sentence that is understood when it is read once.
const maxWords = 25

// shownWords is how many words of a sentence a finding shows.
const shownWords = 8

// Markup whose content is not prose. Code counts as one word, and so does a link.
var (
	codeSpan = regexp.MustCompile("`[^`]*`")
	link     = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// ruleNumber is the number at the head of a rule of docs/protocol.md, or of a test's
// quotation of the rule. It is no word.
var ruleNumber = regexp.MustCompile(`^(\*\*M\d+\*\*|M\d+:)$`)

// abbreviation matches words whose full stop does not end a sentence.
var abbreviation = regexp.MustCompile(`(?i)^\W*(e\.g|i\.e|cf|vs|etc|al|resp|approx|\.\.)\.$`)

// word is a token of a paragraph and the line that it is on.
type word struct {
	text string
	line int
}

func checkParagraph(file string, p []line) []finding {
	var all []finding
	for _, s := range sentences(p) {
		if n := countWords(s); n > maxWords {
			all = append(all, finding{file, s[0].line, "words", fmt.Sprintf("%d: %s", n, opening(s))})
		}
		for _, form := range excludedForms(join(s)) {
			all = append(all, finding{file, s[0].line, "form", fmt.Sprintf("%q: %s", form, opening(s))})
		}
	}
	return all
}

// sentences splits a paragraph.
func sentences(p []line) [][]word {
	var all [][]word
	var s []word
	for _, w := range words(p) {
		s = append(s, w)
		if endsSentence(w.text) {
			all = append(all, s)
			s = nil
		}
	}
	if len(s) > 0 {
		all = append(all, s)
	}
	return all
}

// words splits a paragraph at blanks, but code and the texts of links not: these may
// go on from one line to the next.
func words(p []line) []word {
	var b strings.Builder
	for _, l := range p {
		b.WriteString(strings.TrimRight(l.text, "\r\n") + "\n")
	}
	joined := func(s string) string {
		return strings.NewReplacer(" ", "\u00a0", "\n", "\u00a0\v").Replace(s)
	}
	text := codeSpan.ReplaceAllStringFunc(b.String(), joined)
	text = link.ReplaceAllStringFunc(text, joined)
	var all []word
	number := 0
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		for _, w := range strings.FieldsFunc(l, func(r rune) bool { return r == ' ' || r == '\t' }) {
			all = append(all, word{text: w, line: p[number].number})
			number += strings.Count(w, "\v")
		}
		number++
	}
	return all
}

// endsSentence reports whether a word is the last of its sentence.
func endsSentence(w string) bool {
	end := strings.TrimRight(w, "\"'”’)]*_`")
	if !strings.HasSuffix(end, ".") && !strings.HasSuffix(end, "!") && !strings.HasSuffix(end, "?") {
		return false
	}
	return !abbreviation.MatchString(end)
}

// countWords counts the words of a sentence that have a letter or a digit.
func countWords(s []word) int {
	isAlnum := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	n := 0
	for _, w := range s {
		if strings.ContainsFunc(w.text, isAlnum) && !ruleNumber.MatchString(w.text) {
			n++
		}
	}
	return n
}

func opening(s []word) string {
	if len(s) > shownWords {
		return join(s[:shownWords]) + " ..."
	}
	return join(s)
}

func join(s []word) string {
	texts := make([]string, len(s))
	for i, w := range s {
		texts[i] = strings.NewReplacer("\u00a0", " ", "\v", "").Replace(w.text)
	}
	return strings.Join(texts, " ")
}
