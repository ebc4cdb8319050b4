// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package migrate is the protocol by which an established TCP connection moves
// to other addresses: the options, the key exchange, tokens and tags, and one
// machine per connection that says what to send and what to believe.
//
// The package is pure. It has no goroutine, socket, clock or lock; time and
// randomness are arguments, and what the machine wants done it returns as a
// list of actions. A TCP implementation carries them out.
//
// docs/protocol.md is the specification; comments cite its sections.
package migrate
