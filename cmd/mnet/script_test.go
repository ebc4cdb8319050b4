// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mnet-dev/mnet/netstack"
)

// TestMain makes this binary the mnet that the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mnet": main, "confined": confined})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, params("testdata/any"))
}

func TestPatchedScripts(t *testing.T) {
	if err := netstack.Patched(); err != nil {
		t.Skip(err.Error())
	}
	testscript.Run(t, params("testdata/patched"))
}

func TestVanillaScripts(t *testing.T) {
	if netstack.Patched() == nil {
		t.Skip("gVisor is patched")
	}
	testscript.Run(t, params("testdata/vanilla"))
}

func params(dir string) testscript.Params {
	return testscript.Params{Dir: dir, Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits,
		"fill":  fill,
	}}
}

// exits runs a program: exits code program [argument...]. It fails if the exit
// code is another one, or if there is something on the standard output.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits code program [argument...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output: %q", out)
	}
}

// fill makes a file: fill name bytes.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: fill name bytes")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte{'x'}, n), 0o600))
}
