// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// script starts a shell in the namespace that runs the commands, and returns the
// first line that they print.
func script(t *testing.T, ns *kernel.Namespace, commands string) (p *kernel.Process, line string) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	cmd := exec.Command("sh", "-c", commands)
	cmd.Stdout = w
	p, err = ns.Start(cmd)
	w.Close()
	must(t, err)
	line, err = bufio.NewReader(r).ReadString('\n')
	must(t, err)
	return p, strings.TrimSpace(line)
}

func TestStartRunsInNamespace(t *testing.T) {
	left, _, _ := wired(t, kernel.WireConfig{})
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/net/dev")
	cmd.Stdout = &out
	p, err := left.Start(cmd)
	must(t, err)
	must(t, p.Wait(newContext(t)))
	if !strings.Contains(out.String(), "wan0") {
		t.Errorf("the child sees these devices:\n%s", out.String())
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal to a process that has ended: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "host")
	if _, err := ns.Start(exec.Command("/nonexistent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

func TestWaitIsBounded(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "host")
	p, err := ns.Start(exec.Command("sleep", "infinity"))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v, want that the context is over", err)
	}
	p.Stop()
	var exit *exec.ExitError
	if err := p.Wait(newContext(t)); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("Wait: %v, want killed by SIGTERM", err)
	}
}

// TestStopKills: a child that ignores SIGTERM is killed, and so are its own children.
func TestStopKills(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "host")
	p, pid := script(t, ns, `trap '' TERM; sleep infinity & echo $!; while :; do wait; done`)
	grandchild := openProcess(t, pid)
	p.Stop()
	var exit *exec.ExitError
	if err := p.Wait(newContext(t)); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("Wait: %v, want killed by SIGKILL", err)
	}
	grandchild.awaitDeath()
}

// TestEndOfChildKillsItsGroup: processes that a child leaves behind do not live on.
func TestEndOfChildKillsItsGroup(t *testing.T) {
	ns := newNamespace(t, newNetwork(t), "host")
	r, w := io.Pipe()
	defer r.Close()
	cmd := exec.Command("sh", "-c", `sleep infinity >/dev/null & echo $!; read _`)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	cmd.Stdout = w
	p, err := ns.Start(cmd)
	must(t, err)
	line, err := bufio.NewReader(r).ReadString('\n')
	must(t, err)
	grandchild := openProcess(t, strings.TrimSpace(line))
	must(t, stdin.Close())
	p.Wait(newContext(t)) // its exit status is the one of read
	grandchild.awaitDeath()
}
