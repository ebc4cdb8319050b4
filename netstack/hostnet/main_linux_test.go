// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// What a copy of the test binary is started for, by the environment variable.
const (
	roleEnv = "MNET_HOSTNET_TEST_ROLE"
	tests   = "tests" // run the tests: the network namespace is not the host's
	holder  = "hold"  // have a Share and wait to be killed
)

// TestMain runs the tests in a copy of the process in a network namespace of its
// own, so that no mistake in a test can reach the host.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case tests:
		goleak.VerifyTestMain(m)
	case holder:
		hold()
	default:
		if os.Getuid() != 0 {
			missing = "root"
			goleak.VerifyTestMain(m)
			return
		}
		// Pdeathsig is about the thread that started the process.
		runtime.LockOSThread()
		cmd := self(tests, os.Args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
		if err := cmd.Start(); err != nil {
			missing = "a network namespace: " + err.Error()
			goleak.VerifyTestMain(m)
			return
		}
		if err := cmd.Wait(); err != nil {
			fmt.Fprintln(os.Stderr, "tests in a network namespace:", err)
			os.Exit(1)
		}
	}
}

// self is a command that runs the test binary in a role.
func self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// missing is what the tests need and is not there.
var missing string

// hold has a Share of the device of a site. It writes each setting, and null once
// it is ready.
func hold() {
	out := json.NewEncoder(os.Stdout)
	s, err := NewShare(ShareConfig{
		Device:     device,
		Masquerade: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32"), netip.MustParsePrefix("fd77::2/128")},
		Changed:    func(set Setting) { out.Encode(set) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out.Encode(nil)
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(s)
}
