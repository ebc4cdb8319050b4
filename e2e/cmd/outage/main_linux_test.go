// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/outage"
)

func TestParseCells(t *testing.T) {
	cells, err := parseCells("10, 2.5", "mbb", "upload")
	if err != nil {
		t.Fatal(err)
	}
	want := outage.Cell{Peer: outage.Mnet, RTT: 2500 * time.Microsecond, Mode: outage.MakeBeforeBreak, Direction: outage.Upload}
	if len(cells) != 2 || cells[1] != want {
		t.Errorf("%v, want a second %v", cells, want)
	}
}

// TestBadArguments makes sure that an error names the argument, before anything is
// measured.
func TestBadArguments(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"-rtt 0", "from 1 to"},
		{"-rtt NaN", "from 1 to"},
		{"-rtt 10,", `round-trip time ""`},
		{"-mode never", `"mbb"`},
		{"-direction idle", `"download"`},
		{"-n 0", "-n 0"},
		{"-connections -1", "-connections -1"},
		{"all", `"all"`},
	} {
		err := run(context.Background(), strings.Fields(test.args))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want something about %q", test.args, err, test.want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.json")
	want := outage.Row{Peer: outage.Mnet, RTTMS: 40, N: 2, OK: 1, MedianMS: 80}
	if err := writeJSON(path, []outage.Row{want}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []outage.Row
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) != 1 || rows[0] != want {
		t.Errorf("%+v, %v, want %+v", rows, err, want)
	}
}
