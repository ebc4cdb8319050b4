// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
)

// binEnv has the path of the command under test.
const binEnv = "MNET_E2E_BIN"

var mnetBin = os.Getenv(binEnv)

// TestMain builds the command, unless that has been done, for a copy of this process
// to test it in.
func TestMain(m *testing.M) {
	// Where sshd is, which not everybody has in the path.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin"); err != nil {
		os.Exit(fail(err))
	}
	if mnetBin != "" || lookForMissing() != nil {
		os.Exit(nstest.Run(m, lookForMissing, nil))
	}
	os.Exit(buildAndRun(m))
}

func lookForMissing() error {
	if err := netstack.Patched(); err != nil {
		return err
	}
	network, err := kernel.New()
	if err != nil {
		return err
	}
	network.Close()
	return nil
}

func buildAndRun(m *testing.M) int {
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
	if err := os.Setenv(binEnv, bin); err != nil {
		return fail(err)
	}
	return nstest.Run(m, lookForMissing, nil)
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// need skips the test where the machine lacks something.
func need(t testing.TB, programs ...string) {
	t.Helper()
	nstest.Need(t)
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%v: make test installs it on Debian", err)
		}
	}
}
