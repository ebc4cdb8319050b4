// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

const (
	gvModule  = "example.org/gv"
	gvVersion = "v1.0.0"
	gvNewer   = "v1.1.0"
)

// gvFiles is a small gVisor.
var gvFiles = map[string]string{
	"go.mod":              "module example.org/gv\n\ngo 1.26\n",
	"go.sum":              "",
	"LICENSE":             "Apache\n",
	"AUTHORS":             "The gVisor Authors\n",
	"README.md":           "not kept\n",
	"pkg/tcpip/a.go":      "package tcpip\n\nimport _ \"example.org/gv/pkg/used\"\n\nconst (\n\tA = 1\n\tB = 2\n)\n",
	"pkg/tcpip/a_test.go": "package tcpip\n\nimport _ \"example.org/gv/pkg/unused\"\n",
	"pkg/tcpip/sub/b.s":   "// no package here\n",
	"pkg/used/u.go":       "//go:build plan9\n\npackage used\n\nimport _ \"example.org/gv/pkg/deep\"\n",
	"pkg/deep/d.go":       "package deep\n",
	"pkg/deep/d.s":        "// assembly\n",
	"pkg/unused/x.go":     "package unused\n",
}

// gvSeries changes A, adds a file that defines C, and makes B equal to it.
var gvSeries = patches.Series{
	Patches: []patches.Patch{
		{Name: "0001-change-a.patch", Data: []byte("From: The mnet Authors <>\nSubject: [PATCH] change A\n\n---\ndiff --git a/pkg/tcpip/a.go b/pkg/tcpip/a.go\n" +
			"--- a/pkg/tcpip/a.go\n+++ b/pkg/tcpip/a.go\n@@ -5,3 +5,3 @@\n const (\n-\tA = 1\n+\tA = 10\n \tB = 2\n")},
		{Name: "0101-take-b.patch", Data: []byte("From: The mnet Authors <>\nSubject: [PATCH] take B from the overlay\n\n---\ndiff --git a/pkg/tcpip/a.go b/pkg/tcpip/a.go\n" +
			"--- a/pkg/tcpip/a.go\n+++ b/pkg/tcpip/a.go\n@@ -6,3 +6,3 @@\n \tA = 10\n-\tB = 2\n+\tB = C\n )\n")},
	},
	Overlay: map[string][]byte{"pkg/tcpip/new.go": []byte("package tcpip\n\nconst C = 3\n")},
}

// rig is a module with a tool that knows the small gVisor.
type rig struct {
	t         *testing.T
	tool      *tool
	cache     string // the module cache: a directory per version
	dir       string // of the module
	downloads int
	out       string // of the last run, both streams
}

func newRig(t *testing.T) *rig {
	t.Setenv("GOWORK", "") // that of the developer is not about this module
	r := &rig{t: t, cache: t.TempDir(), dir: t.TempDir()}
	write(t, filepath.Join(r.cache, gvVersion), gvFiles)
	write(t, r.dir, map[string]string{"go.mod": "module example.com/user\n\ngo 1.26\n\nrequire " + gvModule + " " + gvVersion + "\n"})
	pin := patches.Pin{Module: gvModule, Version: gvVersion, Sum: r.sum(gvVersion)}
	original, err := tree.Load(filepath.Join(r.cache, gvVersion), gvModule)
	if err != nil {
		t.Fatal(err)
	}
	if pin.Tree, err = treeHash(original, pin, gvSeries); err != nil {
		t.Fatal(err)
	}
	r.tool = &tool{dir: r.dir, pin: pin, series: gvSeries, download: r.download}
	return r
}

// sum returns the hash of the files of a version in the cache.
func (r *rig) sum(version string) string {
	r.t.Helper()
	files := make(udiff.Tree)
	for name, s := range read(r.t, filepath.Join(r.cache, version)) {
		files[gvModule+"@"+version+"/"+name] = []byte(s)
	}
	return tree.Hash(files)
}

func (r *rig) download(_ context.Context, path, version string, _ bool) (gocmd.Module, error) {
	r.downloads++
	dir := filepath.Join(r.cache, version)
	if _, err := os.Stat(dir); err != nil || path != gvModule {
		return gocmd.Module{}, errors.New("unknown revision " + version)
	}
	return gocmd.Module{Path: path, Version: version, Dir: dir, Sum: r.sum(version)}, nil
}

// run runs the tool and checks the exit code and that the output contains want.
func (r *rig) run(code int, want string, args ...string) {
	r.t.Helper()
	var out bytes.Buffer
	r.tool.stdout, r.tool.stderr = &out, &out
	have := r.tool.run(r.t.Context(), args)
	r.out = out.String()
	if have != code || !strings.Contains(r.out, want) {
		r.t.Errorf("gvpatch %s: exit code %d, want %d; output:\n%s\nwant %q", strings.Join(args, " "), have, code, r.out, want)
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// gv returns the files that were written.
func (r *rig) gv() map[string]string {
	r.t.Helper()
	return read(r.t, r.path(defaultDir))
}

func (r *rig) expectGV(want map[string]string) {
	r.t.Helper()
	if have := r.gv(); !maps.Equal(have, want) {
		r.t.Errorf("files:\n%q\nwant\n%q", have, want)
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, s := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(s), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// read returns the files below dir; none if it doesn't exist.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return files
}
