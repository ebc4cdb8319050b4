// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/internal/netlab"
	"github.com/mnet-dev/mnet/netstack"
)

// What a copy of the test binary is started for, by the environment variable.
const (
	roleEnv = "MNET_E2E_ROLE"
	tests   = "tests"
)

var (
	missing error  // what the tests need and is not there
	mnetBin string // the command under test
)

// TestMain builds the command, and runs the tests in a copy of the process that is
// in a network namespace of its own: a mistake cannot touch the machine's network.
func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == tests {
		mnetBin = os.Getenv("MNET_E2E_BIN")
		goleak.VerifyTestMain(m)
		return
	}
	if missing = lookForMissing(); missing != nil {
		os.Exit(m.Run())
	}
	os.Exit(runInNamespace())
}

func lookForMissing() error {
	if err := netstack.Patched(); err != nil {
		return err
	}
	lab, err := netlab.New()
	if err != nil {
		return err
	}
	lab.Close()
	return nil
}

func runInNamespace() int {
	dir, err := os.MkdirTemp("", "mnet-e2e-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // other users run the command, too
		return fail(err)
	}
	bin := filepath.Join(dir, "mnet")
	build := exec.Command("go", "build", "-o", bin, "../cmd/mnet")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fail(fmt.Errorf("build mnet: %w", err))
	}
	// Pdeathsig is about the thread that started the process.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), roleEnv+"="+tests, "MNET_E2E_BIN="+bin)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		return fail(fmt.Errorf("tests in a network namespace: %w", err))
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// need skips the test where the machine lacks something.
func need(t testing.TB, programs ...string) {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%v: make test installs it on Debian", err)
		}
	}
}
