// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// beKilledInDir has the directory in its argument removed once a cat has ended, which
// reads the standard input.
func beKilledInDir() {
	j, err := Start(child)
	if err == nil {
		err = j.RemoveDir(os.Args[1])
	}
	cat := exec.Command("cat")
	cat.Stdin, cat.Stdout = os.Stdin, os.Stdout
	if err == nil {
		j.Await(cat)
		err = cat.Start()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// socketDir makes a directory with a socket that is left behind.
func socketDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sockets")
	must(t, os.Mkdir(dir, 0o700))
	leave(t, filepath.Join(dir, "a.sock"))
	return dir
}

func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	must(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// TestRemoveDir removes a directory with its socket, and takes none for no error.
func TestRemoveDir(t *testing.T) {
	dir := socketDir(t)
	j, err := Start(child)
	must(t, err)
	must(t, j.RemoveDir(dir))
	must(t, j.RemoveDir(filepath.Join(t.TempDir(), "never made")))
	must(t, j.Close())
	if exists(t, dir) {
		t.Error("it is still there")
	}
}

// TestRemoveDirCare leaves everything but a private directory of sockets.
func TestRemoveDirCare(t *testing.T) {
	for name, spoil := range map[string]func(dir string) (precious string){
		"a file in it": func(dir string) string {
			path := filepath.Join(dir, "a file")
			must(t, os.WriteFile(path, nil, 0o600))
			return path
		},
		"open to others": func(dir string) string {
			must(t, os.Chmod(dir, 0o755))
			return filepath.Join(dir, "a.sock")
		},
		"a directory in it": func(dir string) string {
			path := filepath.Join(dir, "a.sub")
			must(t, os.Mkdir(path, 0o700))
			return path
		},
		"a symbolic link": func(dir string) string {
			other := socketDir(t)
			must(t, os.RemoveAll(dir))
			must(t, os.Symlink(other, dir))
			return filepath.Join(other, "a.sock")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := socketDir(t)
			precious := spoil(dir)
			if err := removeDir(dir); err == nil || !strings.Contains(err.Error(), "not removed") {
				t.Errorf("error %v", err)
			}
			if !exists(t, precious) || !exists(t, dir) {
				t.Error("it is gone")
			}
		})
	}
}

// TestAwaitKilled kills the process that started a janitor: the directory stays
// until the process that uses it has ended, too.
func TestAwaitKilled(t *testing.T) {
	dir := socketDir(t)
	cmd := exec.Command("/proc/self/exe", dir)
	cmd.Env = append(os.Environ(), roleEnv+"="+dirParent)
	// The janitor has the pipe of the standard error as well: that ends with it.
	done, stderr, err := os.Pipe()
	must(t, err)
	defer done.Close()
	cmd.Stderr = stderr
	stdin, stdinOfCat, err := os.Pipe()
	must(t, err)
	defer stdinOfCat.Close()
	cmd.Stdin = stdin
	fromCat, stdout, err := os.Pipe()
	must(t, err)
	defer fromCat.Close()
	cmd.Stdout = stdout
	must(t, cmd.Start())
	for _, f := range []*os.File{stdin, stdout, stderr} {
		f.Close()
	}
	r := bufio.NewReader(fromCat)
	if line, err := r.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Fatal("the parent was not killed")
	}
	// The other process lives, and the janitor waits for it.
	fmt.Fprintln(stdinOfCat, "still here")
	if line, err := r.ReadString('\n'); line != "still here\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if !exists(t, dir) {
		t.Error("the directory is gone before who uses it")
	}
	stdinOfCat.Close()
	if text, err := io.ReadAll(done); err != nil || len(text) > 0 {
		t.Errorf("the janitor says %q, %v", text, err)
	}
	if exists(t, dir) {
		t.Error("the directory is still there")
	}
}
