// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// The forms that the rules exclude and a pattern finds with few errors. The others are
// left to the reader.
var (
	// statementForms are excluded in statements; in questions they are plain English.
	statementForms = []*regexp.Regexp{
		// Relative clauses without their noun, as the subject.
		regexp.MustCompile(`^\W*(Who|Whoever) [a-z]+`),
		regexp.MustCompile(`^\W*What (is|was|has|had|are|were|will) [a-z]+`),
	}
	anyForms = []*regexp.Regexp{
		// Relative clauses without their noun, behind a preposition, and pronouns in
		// the place of the noun.
		regexp.MustCompile(`(?i)\b(at|before|by|for|from|of|then|to|with) (who|whoever) [a-z]+`),
		regexp.MustCompile(`(?i)\b(at|by|for|from|of|to|until|with) what (is|was|has|had|are|were) [a-z]+`),
		regexp.MustCompile(`(?i)\bthose (that|which|who)\b`),
		regexp.MustCompile(`(?i)\bthat which\b`),
		regexp.MustCompile(`(?i)\b(is that|are those) of\b`),
		// Private metaphors.
		regexp.MustCompile(`(?i)\b(disgraced?|regret(s|ted)?|in vain)\b`),
	}
)

// excludedForms returns the parts of a sentence that the rules exclude.
func excludedForms(sentence string) []string {
	sentence = codeSpan.ReplaceAllString(sentence, "``")
	forms := anyForms
	if !strings.HasSuffix(sentence, "?") {
		forms = append(statementForms[:len(statementForms):len(statementForms)], anyForms...)
	}
	var found []string
	for _, f := range forms {
		if s := f.FindString(sentence); s != "" {
			found = append(found, s)
		}
	}
	return found
}
