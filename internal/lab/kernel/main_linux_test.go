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
	holder = "holder" // build a network and wait to be killed
	poor   = "poor"   // tell why there can be no network
)

// patience is the time after which a test that hangs fails.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	os.Exit(nstest.Run(m, available, map[string]func(){holder: hold, poor: tell}))
}

// available returns an error that names a missing requirement of the tests.
func available() error {
	network, err := kernel.New()
	if err != nil {
		return err
	}
	network.Close()
	return nil
}

// tell says why there can be no network.
func tell() {
	if _, err := kernel.New(); errors.Is(err, kernel.ErrUnavailable) {
		fmt.Println(err)
	}
}

func newNetwork(t testing.TB) *kernel.Network {
	t.Helper()
	nstest.Need(t)
	network, err := kernel.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	return network
}

func newNamespace(t testing.TB, network *kernel.Network, name string) *kernel.Namespace {
	t.Helper()
	ns, err := network.Namespace(name)
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
	network, err := kernel.New()
	if err != nil {
		fail(err)
	}
	topo, err := network.Topology(kernel.TopologyConfig{})
	if err != nil {
		fail(err)
	}
	child, err := topo.Client.Start(exec.Command("sleep", "infinity"))
	if err != nil {
		fail(err)
	}
	fmt.Println(child.Pid())
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(network)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
