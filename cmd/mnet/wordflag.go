// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"
)

// wordSlice is a flag that may be given several times, each time with one word or, with
// commas between them, several. An empty one is an error.
type wordSlice struct {
	words *[]string
	name  string // of the type, for --help
}

func (s wordSlice) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			return errors.New("it is empty")
		}
		*s.words = append(*s.words, word)
	}
	return nil
}

func (s wordSlice) Type() string { return s.name }

// String is for the default value that --help shows: none.
func (s wordSlice) String() string {
	if s.words == nil {
		return ""
	}
	return strings.Join(*s.words, ",")
}
