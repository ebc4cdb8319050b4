// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	gvlog "gvisor.dev/gvisor/pkg/log"
)

// gvisorLog takes gVisor's messages to the log of mnet. gVisor knows one log only, for
// all stacks of a process: by default the standard error, with any --log.
type gvisorLog struct{ log *slog.Logger }

var _ gvlog.Emitter = gvisorLog{}

// Emit implements log.Emitter.
func (g gvisorLog) Emit(_ int, level gvlog.Level, _ time.Time, format string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case gvlog.Warning:
		to = slog.LevelWarn
	case gvlog.Info:
		to = slog.LevelInfo
	}
	g.log.Log(context.Background(), to, "gvisor: "+fmt.Sprintf(format, args...))
}
