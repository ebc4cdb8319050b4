// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/patches"
)

func TestApply(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "with 2 patches and 1 new files", "apply")
	files := r.gv()
	for name, want := range map[string]string{
		"go.mod":              gvFiles["go.mod"],
		"go.sum":              "",
		"LICENSE":             gvFiles["LICENSE"],
		"AUTHORS":             gvFiles["AUTHORS"],
		"pkg/tcpip/a.go":      "// Modified by the mnet authors; MODIFIED.md says how.\n" + strings.NewReplacer("= 1", "= 10", "= 2", "= C").Replace(gvFiles["pkg/tcpip/a.go"]),
		"pkg/tcpip/new.go":    "package tcpip\n\nconst C = 3\n",
		"pkg/used/u.go":       gvFiles["pkg/used/u.go"],
		"pkg/deep/d.go":       gvFiles["pkg/deep/d.go"],
		"pkg/deep/d.s":        gvFiles["pkg/deep/d.s"],
		"README.md":           "",
		"pkg/tcpip/sub/b.s":   "",
		"pkg/unused/x.go":     "",
		"pkg/tcpip/a_test.go": "",
	} {
		if files[name] != want {
			t.Errorf("%s: %q, want %q", name, files[name], want)
		}
	}
	for _, want := range []string{gvModule + "@" + gvVersion, "## 0001-change-a", "change A", "- changes `pkg/tcpip/a.go`", "## 0101-take-b", "## Added files\n\n- `pkg/tcpip/new.go`"} {
		if !strings.Contains(files["MODIFIED.md"], want) {
			t.Errorf("no %q in MODIFIED.md:\n%s", want, files["MODIFIED.md"])
		}
	}
	mod, err := os.ReadFile(r.path("go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "replace " + gvModule + " " + gvVersion + " => ./third_party/gvisor\n"; !strings.Contains(string(mod), want) {
		t.Errorf("no %q in go.mod:\n%s", want, mod)
	}

	downloads := r.downloads
	r.run(exitOK, "is up to date", "apply")
	if r.downloads != downloads {
		t.Error("the original was read again")
	}
	r.expectGV(files)
	if after, _ := os.ReadFile(r.path("go.mod")); string(after) != string(mod) {
		t.Errorf("go.mod changed again:\n%s", after)
	}
}

func TestApplyWorkFile(t *testing.T) {
	const replace = "replace " + gvModule + " " + gvVersion + " => ./third_party/gvisor"
	tests := []struct {
		name, before string
		want         []string
	}{
		{"new", "", []string{"go 1.26\n", "use .\n", replace}},
		{"there is one", "go 1.26\n\nuse ./other\n", []string{"./other", "\t.\n", replace}},
		{"it is right", "go 1.26\n\nuse .\n\n" + replace + "\n", []string{replace}},
		{"it names no version", "go 1.26\n\nuse .\n\nreplace " + gvModule + " => ./third_party/gvisor\n", []string{replace}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if tt.before != "" {
				write(t, r.dir, map[string]string{"go.work": tt.before})
			}
			mod, _ := os.ReadFile(r.path("go.mod"))
			r.run(exitOK, "written to", "apply", "-use", "go.work")
			work, err := os.ReadFile(r.path("go.work"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(work), want) {
					t.Errorf("no %q in go.work:\n%s", want, work)
				}
			}
			if after, _ := os.ReadFile(r.path("go.mod")); string(after) != string(mod) {
				t.Errorf("go.mod was changed:\n%s", after)
			}
		})
	}
}

// TestApplyInMnet runs apply without -use: users of mnet must not get a replacement in
// its go.mod.
func TestApplyInMnet(t *testing.T) {
	r := newRig(t)
	write(t, r.dir, map[string]string{"go.mod": "module " + mnetModule + "\n\ngo 1.26\n\nrequire " + gvModule + " " + gvVersion + "\n"})
	r.run(exitOK, "go.work makes the module use it", "apply")
}

func TestApplyElsewhere(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "written to", "apply", "-dir", "../gv", "-use", "none")
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.dir), "gv", "MODIFIED.md")); err != nil {
		t.Error(err)
	}
	if mod, _ := os.ReadFile(r.path("go.mod")); strings.Contains(string(mod), "replace") {
		t.Errorf("go.mod was changed:\n%s", mod)
	}
}

// TestApplyRefuses tries modules that can't use the tree. Nothing is written.
func TestApplyRefuses(t *testing.T) {
	const head = "module example.com/user\n\ngo 1.26\n\n"
	const require = "require " + gvModule + " " + gvVersion + "\n"
	tests := []struct {
		name, file, text, want string
		args                   []string
	}{
		{"not required", "go.mod", head, "does not require example.org/gv; first run\n\tgo get example.org/gv@v1.0.0", nil},
		{"other version", "go.mod", head + "require " + gvModule + " v1.1.0\n", "requires example.org/gv v1.1.0, but the patches are for v1.0.0", nil},
		{"other version, go.work", "go.mod", head + "require " + gvModule + " v1.1.0\n", "but the patches are for", []string{"-use", "go.work"}},
		{"other directory", "go.mod", head + require + "replace " + gvModule + " => ../fork\n", "by ../fork already", nil},
		{"other module", "go.mod", head + require + "replace " + gvModule + " => example.com/fork v1.0.0\n", "by example.com/fork v1.0.0 already", nil},
		{"replaced version", "go.mod", head + require + "replace " + gvModule + " v1.0.0 => ../fork\n", "-dropreplace=example.org/gv@v1.0.0", nil},
		{"go.work", "go.work", "go 1.26\n\nuse .\n\nreplace " + gvModule + " => ../fork\n", "go work edit -dropreplace", []string{"-use", "go.work"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			write(t, r.dir, map[string]string{tt.file: tt.text})
			r.run(exitFinding, tt.want, append([]string{"apply"}, tt.args...)...)
			if files := r.gv(); len(files) > 0 {
				t.Errorf("%d files were written", len(files))
			}
		})
	}
}

func TestApplyOutsideOfModule(t *testing.T) {
	r := newRig(t)
	if err := os.Remove(r.path("go.mod")); err != nil {
		t.Fatal(err)
	}
	r.run(exitFailure, "is not in a module", "apply")
}

// TestApplyCorrupted changes the original in each way that a hash detects.
func TestApplyCorrupted(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"changed":         {"pkg/deep/d.go": "package deep // evil\n"},
		"added":           {"pkg/deep/evil.go": "package deep\n"},
		"changed, unused": {"pkg/unused/x.go": "package unused // evil\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			write(t, filepath.Join(r.cache, gvVersion), files)
			r.run(exitFinding, "is not the original example.org/gv@v1.0.0", "apply")
			if files := r.gv(); len(files) > 0 {
				t.Errorf("%d files were written", len(files))
			}
		})
	}
}

func TestApplyReadOnlyOriginal(t *testing.T) {
	r := newRig(t)
	dir := filepath.Join(r.cache, gvVersion)
	for name := range gvFiles {
		if err := os.Chmod(filepath.Join(dir, name), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	r.run(exitOK, "written to", "apply")
	r.run(exitOK, "up to date", "apply")
	f, err := os.OpenFile(r.path(defaultDir+"/pkg/deep/d.go"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("the copy is read-only: %v", err)
	}
	f.Close()
}

// TestApplyStates tries every state of the directory.
func TestApplyStates(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(r *rig)
		force bool   // needs -force
		want  string // in the message
	}{
		{"file edited", func(r *rig) {
			write(r.t, r.path(defaultDir), map[string]string{"pkg/deep/d.go": "package deep\n\nvar X int\n"})
		}, true, "was edited after gvpatch wrote it:\n\tpkg/deep/d.go\n"},
		{"file added", func(r *rig) { write(r.t, r.path(defaultDir), map[string]string{"pkg/deep/e.go": "package deep\n"}) }, true, "was edited after gvpatch wrote it:\n\tpkg/deep/e.go\n"},
		{"link added", func(r *rig) { r.check(os.Symlink("a", r.path(defaultDir+"/link"))) }, true, "was edited after gvpatch wrote it:\n\tlink\n"},
		{"stamp broken", func(r *rig) {
			write(r.t, r.path(defaultDir), map[string]string{".gvpatch": "x", "AUTHORS": "x"})
		}, true, "holds a gVisor that gvpatch didn't write"},
		{"file missing", func(r *rig) { r.check(os.Remove(r.path(defaultDir + "/pkg/deep/d.go"))) }, false, "written to"},
		{"empty", func(r *rig) {
			r.check(os.RemoveAll(r.path(defaultDir)))
			r.check(os.Mkdir(r.path(defaultDir), 0o777))
		}, false, "written to"},
		{"interrupted while writing", func(r *rig) {
			r.check(os.RemoveAll(r.path(defaultDir)))
			r.abandon("new/pkg/half.go", time.Now().Add(-time.Hour))
		}, false, "written to"},
		{"interrupted while renaming", func(r *rig) {
			write(r.t, r.path(abandoned), map[string]string{"new/go.mod": "half"})
			r.check(os.Rename(r.path(defaultDir), r.path(abandoned+"/old")))
			r.abandon("new/go.sum", time.Now().Add(-time.Hour))
		}, false, "written to"},
		{"stamp missing", func(r *rig) { r.check(os.Remove(r.path(defaultDir + "/.gvpatch"))) }, false, "up to date"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.run(exitOK, "written to", "apply")
			good := r.gv()
			tt.spoil(r)
			if tt.force {
				spoilt := r.gv()
				r.run(exitFinding, tt.want, "apply")
				r.expectGV(spoilt)
				r.run(exitOK, "written to", "apply", "-force")
			} else {
				r.run(exitOK, tt.want, "apply")
			}
			if tt.want != "up to date" {
				r.expectGV(good)
			}
			r.expectAlone()
		})
	}
}

// TestApplyKeepsForeign tries directories with files that are no gVisor.
func TestApplyKeepsForeign(t *testing.T) {
	for _, files := range []map[string]string{
		{"mine.txt": "!"},
		{"go.mod": "module example.com/mine\n"},
	} {
		r := newRig(t)
		write(t, r.path(defaultDir), files)
		for _, args := range [][]string{{"apply"}, {"apply", "-force"}} {
			r.run(exitFinding, "neither empty nor a gVisor", args...)
			r.expectGV(files)
		}
	}
}

func TestApplyKeepsModule(t *testing.T) {
	r := newRig(t)
	before := read(t, r.dir)
	for _, dir := range []string{".", "..", r.dir} {
		r.run(exitFinding, "holds your module", "apply", "-force", "-dir", dir)
	}
	if after := read(t, r.dir); !maps.Equal(after, before) {
		t.Errorf("have %q, want %q", after, before)
	}
}

// TestApplyConcurrent runs apply while another run is writing.
func TestApplyConcurrent(t *testing.T) {
	r := newRig(t)
	r.abandon("new/go.mod", time.Now())
	r.run(exitOK, "written to", "apply")
	if _, err := os.Stat(r.path(abandoned + "/new/go.mod")); err != nil {
		t.Errorf("the other run lost its files: %v", err)
	}
}

// abandoned is a directory that a run writes to.
const abandoned = "third_party/.gvisor.gvpatch-1"

// abandon makes that directory, with the time of its last change.
func (r *rig) abandon(file string, at time.Time) {
	r.t.Helper()
	write(r.t, r.path(abandoned), map[string]string{file: "half"})
	r.check(os.Chtimes(r.path(abandoned), at, at))
}

// expectAlone checks that nothing is beside the directory.
func (r *rig) expectAlone() {
	r.t.Helper()
	entries, err := os.ReadDir(r.path("third_party"))
	r.check(err)
	if len(entries) != 1 {
		r.t.Errorf("left behind: %v", entries)
	}
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestApplyStale lets the series grow: the second run replaces the tree of the first.
func TestApplyStale(t *testing.T) {
	r := newRig(t)
	full, pin := r.tool.series, r.tool.pin
	r.shorten()
	r.run(exitOK, "with 1 patches and 0 new files", "apply")
	if _, ok := r.gv()["pkg/tcpip/new.go"]; ok {
		t.Fatal("the overlay was laid")
	}
	r.tool.series, r.tool.pin = full, pin
	r.run(exitFinding, "stale", "check")
	r.run(exitOK, "with 2 patches and 1 new files", "apply")
	if _, ok := r.gv()["pkg/tcpip/new.go"]; !ok {
		t.Error("the overlay was not laid")
	}
	r.run(exitOK, "is up to date", "check")
}

// shorten makes the fix the whole series, and records that.
func (r *rig) shorten() {
	r.t.Helper()
	r.tool.series = patches.Series{Patches: gvSeries.Of(patches.Fix)}
	original, _, err := r.tool.original(r.t.Context(), gvVersion, "")
	r.check(err)
	r.tool.pin.Tree, err = treeHash(original, r.tool.pin, r.tool.series)
	r.check(err)
}

func TestApplyUnrecorded(t *testing.T) {
	r := newRig(t)
	r.tool.series.Patches = gvSeries.Of(patches.Fix)
	r.run(exitFinding, "run gvpatch record", "apply")
	if files := r.gv(); len(files) > 0 {
		t.Errorf("%d files were written", len(files))
	}
}

func TestApplyConflict(t *testing.T) {
	r := newRig(t)
	r.tool.series.Patches = []patches.Patch{{Name: "0001-x.patch", Data: []byte(strings.Replace(string(gvSeries.Patches[0].Data), "B = 2", "B = 3", 1))}}
	r.run(exitFinding, "0001-x.patch: pkg/tcpip/a.go: hunk 1 of 1: ", "apply")
	if want := "line 7: want \"\\tB = 3\\n\""; !strings.Contains(r.out, want) {
		t.Errorf("output:\n%s\nwant %q", r.out, want)
	}
}

// TestApplyOverlayClashes has an overlay with a file that gVisor, or a patch, has too.
func TestApplyOverlayClashes(t *testing.T) {
	r := newRig(t)
	r.tool.series.Overlay = map[string][]byte{"pkg/deep/d.go": []byte("package deep\n")}
	r.run(exitFinding, "_overlay/pkg/deep/d.go: gVisor has a file of this name", "apply")
	r.tool.series.Overlay = map[string][]byte{"pkg/tcpip/a.go": []byte("package tcpip\n")}
	r.run(exitFinding, "0001-change-a.patch: pkg/tcpip/a.go is a file of the overlay; change it in _overlay", "apply")
}

// TestApplyCantWrite puts a file in the place of a directory.
func TestApplyCantWrite(t *testing.T) {
	r := newRig(t)
	write(t, r.dir, map[string]string{"third_party": ""})
	r.run(exitFailure, "third_party", "apply")
}

func TestApplyUnknownVersion(t *testing.T) {
	r := newRig(t)
	r.tool.pin.Version = "v9.9.9"
	r.run(exitFailure, "unknown revision v9.9.9", "apply", "-use", "none")
}

// TestApplyUpdatesReplacement has replacements that an earlier gvpatch wrote, or one
// with another pin.
func TestApplyUpdatesReplacement(t *testing.T) {
	const want = "replace " + gvModule + " " + gvVersion + " => ./third_party/gvisor\n"
	for _, old := range []string{
		"replace " + gvModule + " => ./third_party/gvisor\n",
		"replace " + gvModule + " v0.9.0 => ./third_party/gvisor\n",
		"replace " + gvModule + " v0.9.0 => ./third_party/gvisor\n\n" + want,
		"replace " + gvModule + " v0.9.0 => ../elsewhere\n\n" + want, // not of gvpatch, and no obstacle
	} {
		r := newRig(t)
		mod, err := os.ReadFile(r.path("go.mod"))
		r.check(err)
		write(t, r.dir, map[string]string{"go.mod": string(mod) + "\n" + old})
		r.run(exitOK, "written to", "apply")
		after, err := os.ReadFile(r.path("go.mod"))
		r.check(err)
		if !strings.Contains(string(after), want) || strings.Count(string(after), "=> ./third_party") != 1 {
			t.Errorf("of\n%s apply makes\n%s", old, after)
		}
		r.run(exitOK, "the build uses it", "check")
	}
}
