// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Roles of a copy of the test binary.
const (
	roleEnv   = "MNET_JANITOR_TEST_ROLE"
	parent    = "parent"
	dirParent = "parent with a directory"
	child     = "-janitor" // argument, as Start has no environment to give
)

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == child:
		if err := Run(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv(roleEnv) == parent:
		beKilled()
	case os.Getenv(roleEnv) == dirParent:
		beKilledInDir()
	default:
		goleak.VerifyTestMain(m)
	}
}

// beKilled is a process that makes a socket and waits to be killed.
func beKilled() {
	j, err := Start(child)
	if err == nil {
		err = j.Remove(os.Args[1])
	}
	if err == nil {
		_, err = net.Listen("unix", os.Args[1])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// TestKilled kills a process that has left a socket.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	cmd := exec.Command("/proc/self/exe", path)
	cmd.Env = append(os.Environ(), roleEnv+"="+parent)
	// The janitor has it as standard error: it ends when the janitor does.
	errs, errsW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer errs.Close()
	cmd.Stderr = errsW
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	errsW.Close()
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := os.Lstat(path); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	said, _ := bufio.NewReader(errs).ReadString(0)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) || said != "" {
		t.Errorf("after the kill: %v, %q", err, said)
	}
}

// TestClose undoes as well when nobody is killed. A thing that is gone already is no
// error.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	j, err := Start(child)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "gone"} {
		if err := j.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("unix", filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRun removes nothing but sockets, and stops at half a task.
func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(strings.NewReader(fmt.Sprintf("{%q:%q}\n{\"rem", "remove", file))); err == nil {
		t.Error("a file is no error")
	}
	if _, err := os.Lstat(file); err != nil {
		t.Error(err)
	}
	l, err := net.Listen("unix", file+"2")
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := Run(strings.NewReader(fmt.Sprintf("{%q:%q} nonsense", "remove", file+"2"))); err == nil {
		t.Error("nonsense is no error")
	}
	if _, err := os.Lstat(file + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what comes before nonsense is not undone: %v", err)
	}
}
