// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/internal/netlab"
)

// What a copy of the test binary is started for, by the environment variable.
const (
	roleEnv = "MNET_NETLAB_TEST_ROLE"
	tests   = "tests" // run the tests, in a network namespace of their own
	holder  = "hold"  // build a laboratory and wait to be killed
	poor    = "poor"  // tell why there can be no laboratory
)

// patience is when a test that hangs gives up.
const patience = 30 * time.Second

// missing is what the tests need and is not there.
var missing error

// TestMain runs the tests in a copy of the process in a network namespace of its
// own: a mistake in the package cannot touch the machine's network.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case tests:
		goleak.VerifyTestMain(m)
	case holder:
		hold()
	case poor:
		if _, err := netlab.New(); errors.Is(err, netlab.ErrUnavailable) {
			fmt.Println(err)
		}
	default:
		var lab *netlab.Lab
		if lab, missing = netlab.New(); missing != nil {
			goleak.VerifyTestMain(m)
			return
		}
		lab.Close()
		// Pdeathsig is about the thread that started the process.
		runtime.LockOSThread()
		cmd := self(tests, os.Args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNET}
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "tests in a network namespace:", err)
			os.Exit(1)
		}
	}
}

// self is a command that runs the test binary in a role.
func self(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	return cmd
}

func newLab(t testing.TB) *netlab.Lab {
	t.Helper()
	if missing != nil {
		t.Skip(missing)
	}
	lab, err := netlab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	return lab
}

func newNamespace(t testing.TB, lab *netlab.Lab, name string) *netlab.Namespace {
	t.Helper()
	ns, err := lab.Namespace(name)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func newContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hold builds the standard network with a child in it, and tells the child's number.
func hold() {
	lab, err := netlab.New()
	if err != nil {
		fail(err)
	}
	topo, err := lab.Topology(netlab.TopologyConfig{})
	if err != nil {
		fail(err)
	}
	child, err := topo.Client.Start(exec.Command("sleep", "infinity"))
	if err != nil {
		fail(err)
	}
	fmt.Println(child.Pid())
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(lab)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
