// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"strings"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// TestDriftNamesMethod checks that the error of a gVisor with other hooks names a
// method that differs.
func TestDriftNamesMethod(t *testing.T) {
	err := implements[interface {
		Close()
		Foreseen() bool
	}]((*tcp.Endpoint)(nil))
	if err == nil || !strings.Contains(err.Error(), "missing method Foreseen") || !strings.Contains(err.Error(), "in the directory of mnet run: make build") {
		t.Errorf("got %v, want the missing method and what to do", err)
	}
	if err := implements[interface{ Close() }]((*tcp.Endpoint)(nil)); err != nil {
		t.Error(err)
	}
}
