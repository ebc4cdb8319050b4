// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
)

// newer puts a newer version into the cache, with changed files.
func (r *rig) newer(changed map[string]string) {
	files := maps.Clone(gvFiles)
	maps.Copy(files, changed)
	write(r.t, filepath.Join(r.cache, gvNewer), files)
}

// newerA is [rig.newer] with another pkg/tcpip/a.go.
func (r *rig) newerA(old, new string) {
	r.newer(map[string]string{"pkg/tcpip/a.go": strings.Replace(gvFiles["pkg/tcpip/a.go"], old, new, 1)})
}

func TestRebase(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.newerA("package", "// New.\n\npackage")
	out := t.TempDir()
	r.run(exitOK, "applies    change A\n", "rebase", "-to", gvNewer, "-o", out)
	files := read(t, out)
	for name, want := range map[string]string{"0001-change-A.patch": "@@ -5,6 +5,6 @@", "0101-take-B-from-the-overlay.patch": "@@ -6,5 +6,5 @@"} {
		if !strings.Contains(files[name], want) {
			t.Errorf("no %q in %s\n%s", want, name, files[name])
		}
	}
	if files["_overlay/pkg/tcpip/new.go"] != string(gvSeries.Overlay["pkg/tcpip/new.go"]) {
		t.Errorf("overlay: %q", files["_overlay/pkg/tcpip/new.go"])
	}

	// The result applies exactly.
	var err error
	r.tool.series, r.tool.pin, err = patches.Parse(os.DirFS(out))
	r.check(err)
	if r.tool.pin.Version != gvNewer {
		t.Errorf("pin %+v", r.tool.pin)
	}
	r.run(exitOK, "makes the tree that is recorded", "check")
}

// TestRebaseConflict changes the line that the fix changes. The hook changes the
// line below, which is no conflict of its own.
func TestRebaseConflict(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.checkout()
	r.newerA("A = 1", "A = 3")
	before := read(t, r.path("patches"))
	r.run(exitFinding, "1 of 3 commits conflict; nothing was written", "rebase", "-to", gvNewer)
	for _, want := range []string{"conflicts  change A: pkg/tcpip/a.go\n", "applies    take B from the overlay\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("output:\n%s\nwant %q", r.out, want)
		}
	}
	if after := read(t, r.path("patches")); !maps.Equal(after, before) {
		t.Errorf("written: %q", after)
	}

	// Nothing is written before all is resolved.
	r.run(exitFinding, "git rebase is in progress", "edit", "-write")
	r.run(exitFinding, "has edits that no series holds", "edit")
	const resolved = "package tcpip\n\nimport _ \"example.org/gv/pkg/used\"\n\nconst (\n\tA = 10\n\tB = 2\n)\n"
	write(t, r.path(defaultEditDir), map[string]string{"pkg/tcpip/a.go": resolved})
	r.git("add", "--all")
	r.git("rebase", "--continue")
	r.run(exitOK, "0001-change-A.patch", "edit", "-write")
	r.reload()
	if r.tool.pin.Version != gvNewer {
		t.Errorf("pin %+v", r.tool.pin)
	}
	r.run(exitOK, "makes the tree that is recorded", "check")
	if p := string(r.tool.series.Patches[0].Data); !strings.Contains(p, "-\tA = 3\n+\tA = 10\n") {
		t.Errorf("the fix:\n%s", p)
	}
}

// TestRebaseDropped moves to a version that has the fix.
func TestRebaseDropped(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.newerA("A = 1", "A = 10")
	out := t.TempDir()
	r.run(exitOK, "dropped    change A: v1.1.0 has it\n", "rebase", "-to", gvNewer, "-o", out)
	series, _, err := patches.Parse(os.DirFS(out))
	r.check(err)
	if len(series.Of(patches.Fix)) != 0 || len(series.Of(patches.Hook)) != 1 {
		t.Errorf("series %q", series.Patches)
	}
}

func TestRebaseUnknownVersion(t *testing.T) {
	r := newRig(t)
	r.run(exitFailure, "unknown revision v9.9.9", "rebase", "-to", "v9.9.9", "-o", t.TempDir())
}
