// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// TestNodeLeavesNothing ends nodes in all ways and looks for traces on the host.
func TestNodeLeavesNothing(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{})
	everything := []string{"--masquerade", "--dnat", "--serve", "22=127.0.0.1:22",
		"--forward", "8080=192.0.2.1:80", "--socks", "127.0.0.1:1080", "--route", "10.99.0.0/24"}
	for _, tc := range []struct {
		sig  syscall.Signal
		code int // of the exit, if it is not killed
	}{
		{syscall.SIGKILL, -1},
		{syscall.SIGTERM, 0},
		{syscall.SIGINT, 0},
		{syscall.SIGHUP, 0},
	} {
		t.Run(tc.sig.String(), func(t *testing.T) {
			w := w.in(t)
			before := w.snapshot(w.Client)
			p := w.client(everything...)
			if changes(before, w.snapshot(w.Client)) == nil {
				t.Fatal("the snapshot does not show that a node runs")
			}
			w.must(p.Signal(tc.sig))
			if code := w.exitCode(p.process); code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, p.err)
			}
			w.unchanged(w.Client, before, p.socket)
		})
	}
}

// TestNodeReplacesStaleSocket starts a node where a killed one, whose cleaner was
// killed as well, has left its socket.
func TestNodeReplacesStaleSocket(t *testing.T) {
	w := newWorld(t, kernel.TopologyConfig{})
	socket := filepath.Join(w.dir, w.Host.Name()+".sock") // where up puts it
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	w.must(err)
	w.must(syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket}))
	w.must(syscall.Close(fd))
	w.up(w.Host)
}

// exitCode waits for the end of a process and returns its code, -1 if it was killed.
func (w *world) exitCode(p *process) int {
	w.t.Helper()
	err := p.Wait(w.timeout(patience))
	if err == nil {
		return 0
	}
	e, ok := err.(*exec.ExitError)
	if !ok {
		w.t.Fatal(err)
	}
	return e.ExitCode()
}
