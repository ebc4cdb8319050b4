// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package nstest runs the tests of a package in a network namespace of their own. The
// namespace ends with the tests: no mistake in one can reach the machine's network.
package nstest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// Roles of a copy of the test binary. The environment variable names the role.
const (
	roleEnv = "MNET_TEST_ROLE"
	inside  = "inside a network namespace"
)

// missing is the missing requirement of the tests, or nil.
var missing error

// Run runs the tests in a copy of the process, and returns the exit code. available
// returns a missing requirement of the tests, or nil. If there is one, they run in this
// process, for [Need] to skip them. roles are the other functions that copies run, see
// [Self].
func Run(m *testing.M, available func() error, roles map[string]func()) int {
	switch role := os.Getenv(roleEnv); role {
	case "":
	case inside:
		goleak.VerifyTestMain(m) // it exits
	default:
		roles[role]()
		return 0
	}
	if missing = available(); missing != nil {
		return m.Run()
	}
	// Pdeathsig is about the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := Self(inside, os.Args[1:]...)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		missing = fmt.Errorf("a network namespace: %w", err)
		return m.Run()
	}
	if err := cmd.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in a network namespace:", err)
		return 1
	}
	return 0
}

// Self is a command that runs the test binary in a role. It is killed when the
// thread that starts it ends.
func Self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// Need skips the test if a requirement is missing.
func Need(t testing.TB) {
	t.Helper()
	if missing != nil {
		t.Skip("needs ", missing)
	}
}
