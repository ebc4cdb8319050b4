// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding"
	"fmt"
	"strings"
)

// textSlice is a flag that may be given several times. Each time it has one value or,
// with commas between them, more. The values know their text form.
type textSlice[T any, P interface {
	*T
	encoding.TextUnmarshaler
}] struct {
	values  *[]T
	name    string // of the type, for --help
	example string // of a value, for errors; empty if the values' own errors have one
}

func (s textSlice[T, P]) Set(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		var v T
		if err := P(&v).UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
			if s.example != "" {
				err = fmt.Errorf("want one such as %s", s.example)
			}
			return err
		}
		*s.values = append(*s.values, v)
	}
	return nil
}

func (s textSlice[T, P]) Type() string { return s.name }

// String is for the default value that --help shows: none.
func (s textSlice[T, P]) String() string {
	if s.values == nil || len(*s.values) == 0 {
		return ""
	}
	return fmt.Sprint(*s.values)
}
