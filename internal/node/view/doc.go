// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package view writes the reports of a node as text for people. It is pure: the same
// status gives the same text, at any time and on any terminal.
package view

import "time"

// Options describe the place of a text.
type Options struct {
	Width  int  // of the terminal, in columns; 0 for no limit
	Colour bool // with escape sequences (ECMA-48, SGR)
	Now    time.Time
}
