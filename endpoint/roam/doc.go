// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package roam decides when a connection moves, and where to. It is pure: no
// goroutine, no clock, no stack. An endpoint.Roamer tells a [Machine] per
// connection what happens, and carries out the [Order] that comes of it.
//
// A [Policy] is a function of the [Situation]. What holds for every policy is
// the machine's: attempts one at a time, back-off, the cap on moves per minute,
// and that a connection without any path waits.
package roam
