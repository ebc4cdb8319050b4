// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

// TestLoad wants pkg/tcpip and its imports on any platform, and no more.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, Tree{
		"go.mod":                  []byte("module m\n"),
		"go.sum":                  nil,
		"LICENSE":                 nil,
		"AUTHORS":                 nil,
		"README.md":               nil,
		"pkg/tcpip/tcpip.go":      []byte("package tcpip\n\nimport (\n\t\"fmt\"\n\t\"m/pkg/a\"\n\t\"other/pkg/x\"\n)\n"),
		"pkg/tcpip/tcpip_test.go": []byte("package tcpip\n\nimport \"m/pkg/onlytested\"\n"),
		"pkg/tcpip/stack/s.go":    []byte("package stack\n"),
		"pkg/tcpip/testdata/x":    nil,
		"pkg/a/a_plan9.go":        []byte("package a\n\nimport \"m/pkg/b\"\n"),
		"pkg/a/a.s":               nil,
		"pkg/a/sub/sub.go":        []byte("package sub\n"),
		"pkg/b/b.go":              []byte("//go:build never\n\npackage b\n\nimport _ \"m/pkg/a\"\n"),
		"pkg/onlytested/o.go":     []byte("package onlytested\n"),
		"runsc/main.go":           []byte("package main\n"),
	})
	have, err := Load(dir, "m")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"AUTHORS", "LICENSE", "go.mod", "go.sum", "pkg/a/a.s", "pkg/a/a_plan9.go", "pkg/b/b.go", "pkg/tcpip/stack/s.go", "pkg/tcpip/tcpip.go"}
	if names := slices.Sorted(maps.Keys(have)); !slices.Equal(names, want) {
		t.Errorf("have %q, want %q", names, want)
	}
}

func TestLoadFails(t *testing.T) {
	good := Tree{"go.mod": nil, "go.sum": nil, "LICENSE": nil, "AUTHORS": nil, "pkg/tcpip/t.go": []byte("package tcpip\n")}
	tests := []struct {
		name   string
		change func(Tree)
		want   string
	}{
		{"no licence", func(t Tree) { delete(t, "LICENSE") }, "LICENSE"},
		{"no pkg/tcpip", func(t Tree) { delete(t, "pkg/tcpip/t.go") }, "pkg/tcpip"},
		{"no such package", func(t Tree) { t["pkg/tcpip/t.go"] = []byte("package t\nimport \"m/pkg/none\"\n") }, "pkg/none"},
		{"not Go", func(t Tree) { t["pkg/tcpip/t.go"] = []byte("hello") }, "pkg/tcpip/t.go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := maps.Clone(good)
			tt.change(files)
			dir := t.TempDir()
			put(t, dir, files)
			if _, err := Load(dir, "m"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

const (
	changeGo = "Subject: [PATCH] a: change a.go\n\ndiff --git a/a.go b/a.go\n--- a/a.go\n+++ b/a.go\n@@ -1 +1 @@\n-package a\n+package aa\n"
	create   = "diff --git a/new.go b/new.go\nnew file mode 100644\n--- /dev/null\n+++ b/new.go\n@@ -0,0 +1 @@\n+package aa\n"
	removeGo = "Subject: [PATCH] a: remove old.go\n\ndiff --git a/old.go b/old.go\ndeleted file mode 100644\n--- a/old.go\n+++ /dev/null\n@@ -1 +0,0 @@\n-package a\n"
)

func TestBuild(t *testing.T) {
	mod := []byte("module m\n")
	original := Tree{"go.mod": mod, "go.sum": {}, "a.go": []byte("package a\n"), "old.go": []byte("package a\n"), "same.go": []byte("package a\n")}
	before := Hash(original)
	series, err := Parse(patches.Series{
		Patches: []patches.Patch{{Name: "0001-x.patch", Data: []byte(changeGo)}, {Name: "0002-y.patch", Data: []byte(removeGo)}},
		Overlay: Tree{"b.go": []byte("package a\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	have, err := Build(original, patches.Pin{Module: "m", Version: "v1"}, series)
	if err != nil {
		t.Fatal(err)
	}
	notice := string(have[noticeFile])
	delete(have, noticeFile)
	want := Tree{"go.mod": mod, "go.sum": {}, "a.go": []byte(modifiedLine + "package aa\n"), "b.go": []byte("package a\n"), "same.go": []byte("package a\n")}
	if Hash(have) != Hash(want) {
		t.Errorf("have %q, want %q", have, want)
	}
	if Hash(original) != before {
		t.Error("the original was changed")
	}
	for _, want := range []string{"m@v1", "Apache License", "## 0001-x\n\na: change a.go\n\n- changes `a.go`\n", "## 0002-y\n\na: remove old.go\n\n- deletes `old.go`\n", "\n## Added files\n\n- `b.go`\n"} {
		if !strings.Contains(notice, want) {
			t.Errorf("no %q in the notice:\n%s", want, notice)
		}
	}
}

func TestBuildFails(t *testing.T) {
	series, err := Parse(patches.Series{Patches: []patches.Patch{{Name: "0001-x.patch", Data: []byte(changeGo)}, {Name: "0002-x.patch", Data: []byte(changeGo)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Build(Tree{"a.go": []byte("package a\n")}, patches.Pin{}, series)
	var e *udiff.ApplyError
	if !errors.As(err, &e) || e.Patch != "0002-x.patch" {
		t.Errorf("error %v", err)
	}
	if _, err := Parse(patches.Series{Patches: []patches.Patch{{Name: "0001-x.patch", Data: []byte("x")}}}); err == nil {
		t.Error("parsed what is no patch")
	}
	_, err = Parse(patches.Series{Patches: []patches.Patch{{Name: "0001-x.patch", Data: []byte(create)}}})
	if want := "0001-x.patch creates new.go; new files belong in _overlay"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}
