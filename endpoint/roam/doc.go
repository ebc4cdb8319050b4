// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package roam decides when a connection moves, and to which uplink. It is pure: it has no
// goroutine, no clock and no stack. An endpoint.Roamer tells a [Machine] per connection
// what happens, and carries out the [Order] that the machine returns.
//
// A [Policy] is a function of the [Situation]. A program may give its own one to
// endpoint.RoamerConfig or host.Config. Whatever the policy, the machine makes attempts one
// at a time, pauses after failures and bounds the moves per minute. A connection without
// any path waits.
package roam
