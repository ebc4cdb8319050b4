// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilHangup returns a context that also ends when the terminal is closed. A node that
// ends by itself resets its connections; the peers of a killed one wait for it. With
// nohup(1) the node goes on.
//
// A terminal takes the reader of a pipe with it. So a write to a pipe without a reader
// must not kill the node either.
func untilHangup(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	if signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// onReopen calls f for each SIGUSR1, until stop is called. Calls do not overlap.
func onReopen(f func()) (stop func()) {
	signals := make(chan os.Signal, 1) // one more call follows a signal during a call
	signal.Notify(signals, syscall.SIGUSR1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range signals {
			f()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}
