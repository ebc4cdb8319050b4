// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import "context"

// untilHangup has no terminal to watch.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// onReopen has no signal to wait for.
func onReopen(func()) (stop func()) { return func() {} }
