// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/view"
)

// TestScreen: at any height, the lines fit, and the latest event is the one that stays.
func TestScreen(t *testing.T) {
	s := &node.Status{Device: "mnet0", Policy: "handover"}
	for i := range 5 {
		s.Connections = append(s.Connections, node.ConnStatus{ID: fmt.Sprint(i), Peer: "192.0.2.1:80", State: "ESTABLISHED"})
	}
	var events []node.Event
	for i := range lastEvents {
		events = append(events, node.Event{Kind: node.EventOpened, Conn: fmt.Sprintf("event%d", i)})
	}
	o := view.Options{Width: 80}
	whole := len(screen(s, nil, 1000, o))
	for height := 1; height < 50; height++ {
		lines := screen(s, events, height, o)
		text := strings.Join(lines, "\n")
		shown := strings.Count(text, "event")
		switch {
		case len(lines) > height:
			t.Errorf("%d lines for %d", len(lines), height)
		case height < whole && !strings.HasPrefix(lines[height-1], fmt.Sprintf("... %d more", whole-height+1)):
			t.Errorf("height %d of %d: does not say what is missing:\n%s", height, whole, text)
		case shown != min(max(height-whole-1, 0), lastEvents):
			t.Errorf("height %d: %d events:\n%s", height, shown, text)
		case shown > 0 && !strings.Contains(lines[len(lines)-1], fmt.Sprintf("event%d ", lastEvents-1)):
			t.Errorf("height %d: the latest event is not the last line:\n%s", height, text)
		}
	}
}
