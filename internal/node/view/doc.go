// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package view writes what a node tells as text for people. It is pure: the same
// status gives the same text, whatever the time and the terminal.
package view

import "time"

// Options say what a text is for.
type Options struct {
	Width  int  // of the terminal, in columns; 0 for no limit
	Colour bool // with escape sequences (ECMA-48, SGR)
	Now    time.Time
}
