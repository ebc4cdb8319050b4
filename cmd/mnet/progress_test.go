// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/demo"
)

var someProgress = demo.Progress{
	Received: 40, Total: 100, Virtual: 1500 * time.Millisecond, Migrations: 3,
	Path: demo.Path{Client: netip.MustParseAddr("10.2.0.2"), Server: netip.MustParseAddr("10.9.0.1"), NAT: true},
}

func TestProgressOnTerminalOnly(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if newProgress(w, false).out != nil || newProgress(&strings.Builder{}, false).out != nil {
		t.Error("takes what is no terminal for one")
	}
	p := newProgress(w, true)
	p.show(someProgress) // must not draw, nor fail
	p.clear()
}

func TestProgress(t *testing.T) {
	const escape = "\x1b[3" // sets a colour
	for _, noColour := range []string{"", "1"} {
		t.Setenv("NO_COLOR", noColour)
		var b strings.Builder
		p := &progress{out: &b}
		p.show(someProgress)
		p.show(someProgress)
		for _, want := range []string{"1.50s", "move 3", "10.2.0.2 (NAT) > 10.9.0.1", "40%"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("NO_COLOR=%q: no %q in %q", noColour, want, b.String())
			}
		}
		if got := strings.Contains(b.String(), escape); got != (noColour == "") {
			t.Errorf("NO_COLOR=%q: colour: %v: %q", noColour, got, b.String())
		}
		if n := b.Len(); n > 0 {
			p.show(someProgress)
			if b.Len() != n {
				t.Error("draws again at once")
			}
		}
		p.clear()
	}
}
