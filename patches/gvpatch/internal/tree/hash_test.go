// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Hashes of the tree ab, as golang.org/x/mod/sumdb/dirhash computes them.
const (
	hashAB       = "h1:Qq96QBvZvAGkx4Wmycq/Xdn0kDZXEZbwf0IVouPfnbg="
	hashABModule = "h1:jrCy4mb1jss3PM3pceaEllUjqtn+42mJ/ErsVfa9CWs=" // as module m, version v1
)

var ab = Tree{"a": []byte("a\n"), "d/b": []byte("b\n")}

func TestHash(t *testing.T) {
	if have := Hash(ab); have != hashAB {
		t.Errorf("have %s, want %s", have, hashAB)
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, ab)
	if err := Verify(dir, "m", "v1", hashABModule); err != nil {
		t.Error(err)
	}
	put(t, dir, Tree{"d/b": []byte("B\n")})
	err := Verify(dir, "m", "v1", hashABModule)
	if err == nil || !strings.Contains(err.Error(), "not the original m@v1") {
		t.Errorf("changed file: error %v", err)
	}
	if err := Verify(filepath.Join(dir, "none"), "m", "v1", hashABModule); err == nil {
		t.Error("no directory: no error")
	}
}

func TestManifest(t *testing.T) {
	m := manifestOf(ab)
	back, err := parseManifest(m.String())
	if err != nil {
		t.Fatal(err)
	}
	if back.hash("") != hashAB {
		t.Errorf("have\n%swant\n%s", back, m)
	}
	sum := strings.Repeat("0", 64)
	for _, bad := range []string{"x", sum, sum + " a\n", sum + "  \n", sum + "  /a\n", sum + "  ../a\n", "0  a\n", "\n"} {
		if m, err := parseManifest(bad); err == nil {
			t.Errorf("%q: parsed as %q", bad, m)
		}
	}
}

// put writes files into a directory.
func put(t *testing.T, dir string, files Tree) {
	t.Helper()
	for name, data := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
