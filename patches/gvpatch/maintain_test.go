// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
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

func TestRebase(t *testing.T) {
	r := newRig(t)
	r.newer(map[string]string{"pkg/tcpip/a.go": strings.Replace(gvFiles["pkg/tcpip/a.go"], "package", "// New.\n\npackage", 1)})
	out := t.TempDir()
	r.run(exitOK, "pkg/tcpip/a.go: hunk 1 applies 2 lines off", "rebase", "-to", gvNewer, "-o", out)
	files := read(t, out)
	if want := "@@ -7,3 +7,3 @@"; !strings.Contains(files["0001-change-a.patch"], want) {
		t.Errorf("no %q in\n%s", want, files["0001-change-a.patch"])
	}
	if want := "@@ -8,3 +8,3 @@"; !strings.Contains(files["0101-take-b.patch"], want) {
		t.Errorf("no %q in\n%s", want, files["0101-take-b.patch"])
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

func TestRebaseFails(t *testing.T) {
	r := newRig(t)
	r.newer(map[string]string{"pkg/tcpip/a.go": strings.Replace(gvFiles["pkg/tcpip/a.go"], "A = 1", "A = 3", 1)})
	out := t.TempDir()
	r.run(exitFinding, "2 of 2 patches fail; nothing was written", "rebase", "-to", gvNewer, "-o", out)
	for _, want := range []string{"0001-change-a.patch fails\n", "nearest at line 5, 2 of 3 lines equal", "0101-take-b.patch fails\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("output:\n%s\nwant %q", r.out, want)
		}
	}
	if files := read(t, out); len(files) > 0 {
		t.Errorf("written: %q", files)
	}
}

func TestRebaseUnknownVersion(t *testing.T) {
	r := newRig(t)
	r.run(exitFailure, "unknown revision v9.9.9", "rebase", "-to", "v9.9.9", "-o", t.TempDir())
}

func TestRecord(t *testing.T) {
	r := newRig(t)
	r.run(exitFailure, "this is for a checkout of "+mnetModule, "record")
	r.run(exitFailure, "-o names another place", "rebase", "-to", gvNewer)

	write(t, r.dir, map[string]string{"go.mod": "module " + mnetModule + "\n\ngo 1.26\n"})
	r.check(writeSeries(r.path("patches"), gvSeries))
	want := r.tool.pin
	r.check(writePin(r.path("patches"), want))
	r.tool.pin.Sum, r.tool.pin.Tree = "", ""
	r.run(exitOK, want.Tree, "record")
	var have patches.Pin
	data, err := os.ReadFile(r.path("patches/pin.json"))
	r.check(err)
	r.check(json.Unmarshal(data, &have))
	if have != want {
		t.Errorf("recorded %+v, want %+v", have, want)
	}

	write(t, r.path("patches/_overlay/pkg/tcpip"), map[string]string{"new.go": "changed since\n"})
	r.run(exitFailure, "not the one this program was built with", "record")
	write(t, r.path("patches"), map[string]string{gvSeries.Patches[0].Name: "changed since\n"})
	r.run(exitFailure, "not the one this program was built with", "record")
}

func TestList(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "0001  fix   2  change A\n0101  hook  2  take B from the overlay\n\noverlay: 1 files\nfixes: 2 lines\nseam: 2 lines\n", "list")
	if !strings.Contains(r.out, gvModule+"@"+gvVersion) || !strings.Contains(r.out, gvSeries.Hash()) {
		t.Errorf("output:\n%s", r.out)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want string
	}{
		{nil, exitFailure, "gvpatch apply"},
		{[]string{"-h"}, exitOK, "gvpatch apply"},
		{[]string{"help"}, exitOK, "gvpatch apply"},
		{[]string{"frobnicate"}, exitFailure, `unknown command "frobnicate"`},
		{[]string{"apply", "-h"}, exitOK, "-force"},
		{[]string{"apply", "-nonsense"}, exitFailure, "-nonsense"},
		{[]string{"apply", "-use", "x"}, exitFailure, "want go.mod, go.work or none"},
		{[]string{"check", "now"}, exitFailure, `unexpected argument "now"`},
		{[]string{"rebase"}, exitFailure, "-to is missing"},
	}
	for _, tt := range tests {
		newRig(t).run(tt.code, tt.want, tt.args...)
	}
}
