// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"testing"

	gvstate "gvisor.dev/gvisor/pkg/state"
)

// TestSaveRecallsLate has gVisor save a connection while data is late. gVisor saves the write
// list only. So late data has to be in it, as lost: the connection goes on after the save
// and sends it again.
func TestSaveRecallsLate(t *testing.T) {
	l := newLeaving(t, rigConfig{}, 0, true)
	data := newStream(l.src, l.dst, 2)
	data.send(t, lateBytes)
	l.migrate(l.c, "10.2.0.2")
	// The encoder begins with the endpoint, and fails when it gets to the simulated clock.
	if _, err := gvstate.Save(t.Context(), io.Discard, l.src.ep); err == nil {
		t.Fatal("the network was saved, too")
	}
	l.src.stack.GVisor().Resume()
	data.finish(t)
	if l.repeats.total() == 0 {
		t.Error("nothing was sent again")
	}
}
