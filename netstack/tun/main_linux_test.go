// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/netstack/tun"
)

// What a copy of the test binary is started for, by the environment variable.
const (
	roleEnv = "MNET_TUN_TEST_ROLE"
	tests   = "tests" // run the tests: the network namespace is their own
	holder  = "hold"  // open the device of holderName and wait to be killed
)

// TestMain runs the tests in a copy of the process in a network namespace of its
// own, which ends with it.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case tests:
		goleak.VerifyTestMain(m)
	case holder:
		hold()
	default:
		if missing = missingHere(); missing != "" {
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

func missingHere() string {
	if os.Getuid() != 0 {
		return "root"
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err.Error()
	}
	f.Close()
	return ""
}

// needNamespace skips the test unless it runs in the namespace.
func needNamespace(t testing.TB) {
	t.Helper()
	if os.Getenv(roleEnv) != tests {
		t.Skip("needs " + missing)
	}
}

// What the holder has.
const holderName = "mnethold"

var (
	holderAddr  = netip.MustParsePrefix("10.77.0.1/24")
	holderRoute = netip.MustParsePrefix("10.78.0.0/16")
)

func hold() {
	link, err := tun.Open(tun.Config{Name: holderName})
	if err == nil {
		err = link.Configure([]netip.Prefix{holderAddr}, []netip.Prefix{holderRoute})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(link)
}
