// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	gvlog "gvisor.dev/gvisor/pkg/log"
)

func TestGVisorLog(t *testing.T) {
	for level, want := range map[gvlog.Level]string{
		gvlog.Warning: `level=WARN msg="gvisor: port 7 is in use"`,
		gvlog.Info:    `level=INFO msg="gvisor: port 7 is in use"`,
		gvlog.Debug:   "",
	} {
		var b strings.Builder
		g := gvisorLog{slog.New(slog.NewTextHandler(&b, nil))}
		g.Emit(0, level, time.Time{}, "port %d is in use", 7)
		if got := b.String(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("level %v: %q", level, got)
		}
	}
}
