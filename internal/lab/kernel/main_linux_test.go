// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/dev/nstest"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// Roles of a copy of the test binary.
const (
	holder = "holder" // build a laboratory and wait to be killed
	poor   = "poor"   // tell why there can be no laboratory
)

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	os.Exit(nstest.Run(m, available, map[string]func(){holder: hold, poor: tell}))
}

// available returns an error that names a missing requirement of the tests.
func available() error {
	lab, err := kernel.New()
	if err != nil {
		return err
	}
	lab.Close()
	return nil
}

// tell says why there can be no laboratory.
func tell() {
	if _, err := kernel.New(); errors.Is(err, kernel.ErrUnavailable) {
		fmt.Println(err)
	}
}

func newLab(t testing.TB) *kernel.Lab {
	t.Helper()
	nstest.Need(t)
	lab, err := kernel.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	return lab
}

func newNamespace(t testing.TB, lab *kernel.Lab, name string) *kernel.Namespace {
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
	lab, err := kernel.New()
	if err != nil {
		fail(err)
	}
	topo, err := lab.Topology(kernel.TopologyConfig{})
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
