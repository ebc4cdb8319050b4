// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestReopen renames a log, and then takes its directory away. The log goes on where it
// is if it cannot be opened again.
func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log")
	var stderr bytes.Buffer
	l, err := newLogWriter(path, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Write([]byte("1"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("2"))
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Write([]byte("3"))
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("opened in a directory that is gone")
	}
	l.Write([]byte("4"))
	for name, want := range map[string]string{"log.1": "12", "log": "34"} {
		if b, err := os.ReadFile(filepath.Join(dir+".old", name)); string(b) != want {
			t.Errorf("%s: %q, %v, want %q", name, b, err, want)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("on stderr: %s", &stderr)
	}
}

// TestReopenStderr has nothing to open.
func TestReopenStderr(t *testing.T) {
	var stderr bytes.Buffer
	l, err := newLogWriter("", &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	l.Write([]byte("1"))
	if err := l.Close(); err != nil || stderr.String() != "1" {
		t.Errorf("%q, %v", &stderr, err)
	}
}
