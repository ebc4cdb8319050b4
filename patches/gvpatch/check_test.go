// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
)

func TestCheck(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "is not there", "check")
	for _, want := range []string{"0001-change-a.patch applies\n", "0101-take-b.patch applies\n", "makes the tree that is recorded"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("output:\n%s\nwant %q", r.out, want)
		}
	}
	r.run(exitOK, "", "apply")
	r.run(exitOK, "third_party/gvisor is up to date", "check")
	r.check(os.Remove(r.path(defaultDir + "/LICENSE")))
	r.run(exitFinding, "incomplete:\n\tLICENSE", "check")
	write(t, r.path(defaultDir), map[string]string{"go.sum": "x"})
	r.run(exitFinding, "edited:\n\tgo.sum", "check")
	if len(read(t, r.path(defaultDir))) == 0 {
		t.Error("check deleted something")
	}
}

func TestCheckUnrecorded(t *testing.T) {
	r := newRig(t)
	r.tool.series.Overlay = nil
	r.run(exitFinding, "run gvpatch record", "check")
}

func TestCheckCorrupted(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.cache, gvVersion), map[string]string{"LICENSE": "do what you like\n"})
	r.run(exitFinding, "is not the original", "check")
}

func TestCheckBuild(t *testing.T) {
	r := newRig(t)
	r.run(exitFinding, "0001-change-a.patch: gVisor doesn't build with it", "check", "-build")
	write(t, filepath.Join(r.cache, gvVersion), map[string]string{
		"pkg/tcpip/network/n.go":        "package network\n\nimport _ \"example.org/gv/pkg/tcpip\"\n",
		"pkg/tcpip/transport/t.go":      "package transport\n",
		"pkg/tcpip/adapters/gonet/g.go": "package gonet\n",
		"pkg/tcpip/link/channel/c.go":   "package channel\n",
		"pkg/used/u.go":                 "package used\n",
	})
	r.rerecord()
	r.run(exitOK, "0101-take-b.patch applies", "check", "-build")

	// The hook needs the overlay, the fix does not.
	r.tool.series.Overlay = nil
	r.rerecord()
	r.run(exitFinding, "overlay and hooks: gVisor doesn't build with it", "check", "-build")
	r.tool.series.Patches = gvSeries.Of(patches.Fix)
	r.rerecord()
	r.run(exitOK, "0001-change-a.patch applies", "check", "-build")
}

// rerecord takes the files in the cache for the original.
func (r *rig) rerecord() {
	r.t.Helper()
	r.tool.pin.Sum = r.sum(gvVersion)
	original, _, err := r.tool.original(r.t.Context(), gvVersion, "")
	r.check(err)
	r.tool.pin.Tree, err = treeHash(original, r.tool.pin, r.tool.series)
	r.check(err)
}

// TestCheckUse takes away the replacement that makes the build use the directory.
func TestCheckUse(t *testing.T) {
	const replace = "replace " + gvModule + " " + gvVersion + " => ./third_party/gvisor\n"
	tests := []struct {
		name, file, text, want string
	}{
		{"replacement lost", "go.mod", "", "does not replace example.org/gv by "},
		{"replacement of an earlier gvpatch", "go.mod", "replace " + gvModule + " => ./third_party/gvisor\n", "replaces example.org/gv by ./third_party/gvisor, not v1.0.0 alone; run gvpatch apply again"},
		{"go.work with another", "go.work", "go 1.26\n\nuse .\n\nreplace " + gvModule + " => ./other\n", "a go.work has replacements of its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.run(exitOK, "", "apply")
			write(t, r.path("other"), map[string]string{"go.mod": gvFiles["go.mod"]})
			mod, err := os.ReadFile(r.path("go.mod"))
			r.check(err)
			if tt.file == "go.mod" {
				tt.text = strings.Replace(string(mod), replace, tt.text, 1)
			}
			r.run(exitOK, "the build uses it", "check")
			write(t, r.dir, map[string]string{tt.file: tt.text})
			r.run(exitFinding, tt.want, "check")
			r.run(exitOK, "is up to date", "check", "-use", "none")
			if tt.file == "go.mod" {
				r.run(exitOK, "makes the module use it", "apply")
				r.run(exitOK, "the build uses it", "check")
			}
		})
	}
}

// TestCheckUseWorkFile takes away the go.work, and its replacement.
func TestCheckUseWorkFile(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "go.work makes the module use it", "apply", "-use", "go.work")
	r.run(exitOK, "the build uses it", "check", "-use", "go.work")
	r.run(exitFinding, "go.mod does not replace", "check")
	write(t, r.dir, map[string]string{"go.work": "go 1.26\n\nuse .\n"})
	r.run(exitFinding, "go.work does not replace", "check", "-use", "go.work")
	r.check(os.Remove(r.path("go.work")))
	r.run(exitFinding, "go.work is not there", "check", "-use", "go.work")
}
