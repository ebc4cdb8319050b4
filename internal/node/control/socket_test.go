// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/internal/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet(string) error { return nil }

// TestListen makes a socket that nobody else can open, in a directory that is not
// there yet.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "mnet.sock")
	var told string
	l, err := Listen(path, noOwner, func(p string) error {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("before the socket is made: %v", err)
		}
		told = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if told != path {
		t.Errorf("told of %q", told)
	}
	if _, err := Listen(path, noOwner, quiet); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := LookupOwner("no such user"); !errors.Is(err, node.ErrConfig) {
		t.Error("an unknown owner is taken")
	}
}

func TestLookupOwnerByNumber(t *testing.T) {
	const unlisted = 2_000_000_000 // in no /etc/passwd
	if uid, err := LookupOwner(strconv.Itoa(unlisted)); uid != unlisted || err != nil {
		t.Errorf("%d, %v", uid, err)
	}
	for _, name := range []string{"-2", "4294967295", "4294967296", "1.5"} {
		if _, err := LookupOwner(name); !errors.Is(err, node.ErrConfig) {
			t.Errorf("%s is taken: %v", name, err)
		}
	}
}

// TestListenStale replaces the socket that a killed node has left, but nothing else.
func TestListenStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mnet.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = Listen(path, noOwner, quiet); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path, noOwner, quiet); err == nil {
		t.Error("a file is replaced")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	refused := errors.New("no")
	if _, err := Listen(path+"2", noOwner, func(string) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(path + "2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a socket that cannot be cleaned up is made: %v", err)
	}
}

// TestNobodyAnswers wants the remedy in the error.
func TestNobodyAnswers(t *testing.T) {
	c := Client{Path: filepath.Join(t.TempDir(), "mnet.sock")}
	_, err := c.Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "mnet up") || !strings.Contains(err.Error(), c.Path) {
		t.Error(err)
	}
	if _, _, err := c.Dial(t.Context(), "server:22", false); err == nil || !strings.Contains(err.Error(), "mnet up") {
		t.Error(err)
	}
}

// TestListenLongPath has a path that no socket can have: no directory is made for it.
func TestListenLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", maxPath))
	_, err := Listen(filepath.Join(dir, "mnet.sock"), noOwner, quiet)
	if !errors.Is(err, node.ErrConfig) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
}
