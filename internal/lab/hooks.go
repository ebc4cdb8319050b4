// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"time"

	"github.com/mnet-dev/mnet/internal/node"
)

// Hooks are called while the script runs, from one goroutine each. Nil ones are
// not.
type Hooks struct {
	// Before is called before a scene begins, which it may delay.
	Before func(context.Context, Scene) error
	// Event is called with each event of the client's node.
	Event func(node.Event)
	// Live is called several times a second while a scene goes on.
	Live func(Live)
	// After is called with the result of a scene.
	After func(Result)
}

// Live is how connections do at an instant.
type Live struct {
	Into                      time.Duration // the scene
	Bulk, Interactive, Kernel Pulse
}

// Pulse is one connection in a [Live].
type Pulse struct {
	Bytes  int64         // that have arrived since the beginning
	Silent time.Duration // since the latest of them
}
