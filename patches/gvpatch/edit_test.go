// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/git"
)

func needsGit(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs git some hundred times")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
}

// checkout makes the rig's module a checkout of mnet.
func (r *rig) checkout() {
	r.t.Helper()
	write(r.t, r.dir, map[string]string{"go.mod": "module " + mnetModule + "\n\ngo 1.26\n\nrequire " + gvModule + " " + gvVersion + "\n"})
	_, err := writeSeries(r.path("patches"), r.tool.series, r.tool.pin)
	r.check(err)
}

// reload builds the tool anew with the series of the checkout.
func (r *rig) reload() {
	r.t.Helper()
	var err error
	r.tool.series, r.tool.pin, err = patches.Parse(os.DirFS(r.path("patches")))
	r.check(err)
}

// git runs git in the repository of the series.
func (r *rig) git(args ...string) string {
	r.t.Helper()
	out, err := git.Repo{Dir: r.path(defaultEditDir)}.Run(r.t.Context(), args...)
	r.check(err)
	return strings.TrimSpace(out)
}

// edits opens the repository of the series in a checkout of mnet.
func (r *rig) edits() {
	r.t.Helper()
	r.checkout()
	r.run(exitOK, "gvpatch edit -write", "edit")
}

// change replaces text in a file of the repository.
func (r *rig) change(name, old, new string) {
	r.t.Helper()
	data, err := os.ReadFile(r.path(defaultEditDir + "/" + name))
	r.check(err)
	write(r.t, r.path(defaultEditDir), map[string]string{name: strings.Replace(string(data), old, new, 1)})
}

// written checks that the series of the checkout makes what is in the repository.
func (r *rig) written() {
	r.t.Helper()
	r.reload()
	r.run(exitOK, "makes the tree that is recorded", "check")
	r.run(exitOK, "0 files changed", "edit", "-write")
}

func TestEdit(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.edits()
	const want = "gVisor v1.0.0\nchange A\nOverlay: the files that mnet adds to gVisor\ntake B from the overlay"
	if have := r.git("log", "--reverse", "--format=%s"); have != want {
		t.Errorf("commits:\n%s\nwant\n%s", have, want)
	}
	// git gives other names to the rig's patches, thus they change once.
	r.run(exitOK, "0001-change-A.patch", "edit", "-write")
	r.written()
}

// TestEditWhatIsWritten wants no line in a patch that the next run would change.
func TestEditWhatIsWritten(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.edits()
	r.git("commit", "--quiet", "--amend", "--message=take B from the overlay\n\nA reason.\n\nAnother one.")
	r.run(exitOK, "", "edit", "-write")
	r.written()
	const want = `From: The mnet Authors <>
Subject: [PATCH] take B from the overlay

A reason.

Another one.
---
diff --git a/pkg/tcpip/a.go b/pkg/tcpip/a.go
--- a/pkg/tcpip/a.go
+++ b/pkg/tcpip/a.go
@@ -4,5 +4,5 @@ import _ "example.org/gv/pkg/used"
 
 const (
 	A = 10
-	B = 2
+	B = C
 )
`
	if have := string(r.tool.series.Patches[1].Data); have != want {
		t.Errorf("patch:\n%s\nwant\n%s", have, want)
	}
}

// TestEditChanges makes the changes that maintainers make.
func TestEditChanges(t *testing.T) {
	needsGit(t)
	tests := []struct {
		name   string
		change func(r *rig)
		want   []string // names of the patches
	}{
		{"amend a hook", func(r *rig) {
			r.change("pkg/tcpip/a.go", "B = C", "B = C + 1")
			r.git("commit", "--quiet", "--all", "--amend", "--message=other subject")
		}, []string{"0001-change-A.patch", "0101-other-subject.patch"}},
		{"change the overlay", func(r *rig) {
			r.change("pkg/tcpip/new.go", "3", "4")
			write(r.t, r.path(defaultEditDir), map[string]string{"pkg/tcpip/sub/more.go": "package sub\n"})
			r.git("add", "--all")
			r.git("commit", "--quiet", "--message=whatever")
		}, []string{"0001-change-A.patch", "0101-take-B-from-the-overlay.patch"}},
		{"add a hook with a file", func(r *rig) {
			write(r.t, r.path(defaultEditDir), map[string]string{"pkg/tcpip/more.go": "package tcpip\n\nconst D = 4\n"})
			r.change("pkg/tcpip/a.go", ")\n", "\tE = D\n)\n")
			r.git("add", "--all")
			r.git("commit", "--quiet", "--message=add E")
		}, []string{"0001-change-A.patch", "0101-take-B-from-the-overlay.patch", "0102-add-E.patch"}},
		{"add a fix", func(r *rig) {
			r.git("checkout", "--quiet", ":/change A")
			r.change("pkg/deep/d.go", "package deep\n", "package deep\n\nvar X int\n")
			r.git("commit", "--quiet", "--all", "--message=add X")
			r.git("rebase", "--quiet", "HEAD", "series")
		}, []string{"0001-change-A.patch", "0002-add-X.patch", "0101-take-B-from-the-overlay.patch"}},
		{"drop a fix", func(r *rig) {
			r.git("reset", "--quiet", "--hard", "refs/gvpatch/original")
			r.git("cherry-pick", ":/Overlay")
		}, nil},
		{"delete a file of the overlay", func(r *rig) {
			r.change("pkg/tcpip/a.go", "B = C", "B = 3")
			r.git("rm", "--quiet", "pkg/tcpip/new.go")
			r.git("commit", "--quiet", "--all", "--amend", "--no-edit")
		}, []string{"0001-change-A.patch", "0101-take-B-from-the-overlay.patch"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.edits()
			tt.change(r)
			r.run(exitOK, "files changed", "edit", "-write")
			r.written()
			var have []string
			for _, p := range r.tool.series.Patches {
				have = append(have, p.Name)
			}
			if strings.Join(have, " ") != strings.Join(tt.want, " ") {
				t.Errorf("patches %q, want %q", have, tt.want)
			}
			// The written series opens as the same files.
			files := r.repoFiles()
			r.check(os.RemoveAll(r.path(defaultEditDir)))
			r.run(exitOK, "", "edit")
			if again := r.repoFiles(); !maps.Equal(files, again) {
				t.Errorf("files:\n%q\nopened again:\n%q", files, again)
			}
		})
	}
}

// repoFiles returns the files of the repository without those of git.
func (r *rig) repoFiles() map[string]string {
	r.t.Helper()
	files := read(r.t, r.path(defaultEditDir))
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, ".git/") })
	return files
}

// TestEditRefuses has commits that are not a series.
func TestEditRefuses(t *testing.T) {
	needsGit(t)
	tests := []struct {
		name   string
		change func(r *rig)
		want   string
	}{
		{"not committed", func(r *rig) { r.change("pkg/tcpip/a.go", "C", "D") }, "not committed: M pkg/tcpip/a.go"},
		{"not added", func(r *rig) { write(r.t, r.path(defaultEditDir), map[string]string{"pkg/x.go": "x"}) }, "not committed: ?? pkg/x.go"},
		{"waiting for autosquash", func(r *rig) {
			r.change("pkg/tcpip/a.go", "C", "D")
			r.git("commit", "--quiet", "--all", "--fixup=HEAD")
		}, "git rebase -i --autosquash"},
		{"no overlay", func(r *rig) { r.git("reset", "--quiet", "--hard", ":/change A") }, "which separates fixes from hooks"},
		{"two overlays", func(r *rig) {
			r.git("commit", "--quiet", "--allow-empty", "--message=Overlay: the files that mnet adds to gVisor")
		}, "a second one with this subject"},
		{"overlay changes gVisor", func(r *rig) {
			r.git("reset", "--quiet", "--hard", "HEAD^")
			r.change("pkg/tcpip/a.go", "B = 2", "B = 3")
			r.git("commit", "--quiet", "--all", "--amend", "--no-edit")
		}, "changes pkg/tcpip/a.go, which gVisor has; that belongs to a hook"},
		{"fix with a file", func(r *rig) {
			r.git("reset", "--quiet", "--hard", ":/change A")
			write(r.t, r.path(defaultEditDir), map[string]string{"pkg/tcpip/x.go": "package tcpip\n"})
			r.git("add", "--all")
			r.git("commit", "--quiet", "--amend", "--no-edit")
			r.git("commit", "--quiet", "--allow-empty", "--message=Overlay: the files that mnet adds to gVisor")
		}, "is a fix and adds pkg/tcpip/x.go"},
		{"overlay elsewhere", func(r *rig) {
			write(r.t, r.path(defaultEditDir), map[string]string{"pkg/x.go": "package x\n"})
			r.git("add", "--all")
			r.git("commit", "--quiet", "--message=x")
		}, "_overlay/pkg/x.go: want a Go file below _overlay/pkg/tcpip"},
		{"merge", func(r *rig) {
			r.git("checkout", "--quiet", "HEAD^")
			r.git("commit", "--quiet", "--allow-empty", "--message=x")
			r.git("merge", "--quiet", "series")
		}, "is a merge"},
		{"executable", func(r *rig) {
			r.git("update-index", "--chmod=+x", "pkg/tcpip/a.go")
			r.git("commit", "--quiet", "--message=x")
		}, `"old mode" is not supported`},
		{"other root", func(r *rig) {
			r.git("checkout", "--quiet", "--orphan", "x")
			r.git("commit", "--quiet", "--message=x")
		}, "does not descend from the original"},
		{"message that ends early", func(r *rig) {
			r.git("commit", "--quiet", "--amend", "--message=x\n\ny\n---\nz")
		}, "reads as the end of a message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.edits()
			before := read(t, r.path("patches"))
			tt.change(r)
			r.run(exitFinding, tt.want, "edit", "-write")
			if after := read(t, r.path("patches")); !maps.Equal(after, before) {
				t.Errorf("written: %q", after)
			}
			files := r.repoFiles()
			r.run(exitFinding, "has edits that no series holds", "edit")
			if after := r.repoFiles(); !maps.Equal(after, files) {
				t.Errorf("lost: have %q, want %q", after, files)
			}
		})
	}
}

// TestEditKeepsStash has an edit that is on no branch.
func TestEditKeepsStash(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.edits()
	r.change("pkg/tcpip/a.go", "C", "D")
	r.git("stash")
	r.run(exitFinding, "has edits that no series holds", "edit")
}

// TestEditStale has a series that changed after the repository was made of it.
func TestEditStale(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.edits()
	r.git("tag", "mine")
	r.tool.series.Overlay = map[string][]byte{"pkg/tcpip/new.go": []byte("package tcpip\n\nconst C = 5\n")}
	r.rerecord()
	r.checkout()
	r.run(exitFinding, "the series changed after", "edit", "-write")
	// Nothing is lost by making it anew.
	r.run(exitOK, "", "edit")
	if have := r.repoFiles()["pkg/tcpip/new.go"]; have != "package tcpip\n\nconst C = 5\n" {
		t.Errorf("not made anew: %q", have)
	}
}

// TestEditCarryOver follows the advice for edits of a series that changed.
func TestEditCarryOver(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.edits()
	r.change("pkg/deep/d.go", "package deep\n", "package deep\n\nvar X int\n")
	r.git("commit", "--quiet", "--all", "--amend", "--no-edit")
	r.tool.series.Overlay = map[string][]byte{"pkg/tcpip/new.go": []byte("package tcpip\n\nconst C = 5\n")}
	r.rerecord()
	r.checkout()
	r.run(exitFinding, "git rebase --onto series refs/gvpatch/old mine\n", "edit", "-write")
	r.check(os.Rename(r.path(defaultEditDir), r.path(defaultEditDir+".old")))
	r.run(exitOK, "", "edit")
	r.git("fetch", "--quiet", "../gvisor-edit.old", "series:mine", "refs/gvpatch/written:refs/gvpatch/old")
	r.git("rebase", "--quiet", "--onto", "series", "refs/gvpatch/old", "mine")
	r.git("checkout", "--quiet", "-B", "series")
	r.run(exitOK, "files changed", "edit", "-write")
	r.reload()
	if s := r.tool.series; !strings.Contains(string(s.Patches[2].Data), "+var X int") || !strings.Contains(string(s.Overlay["pkg/tcpip/new.go"]), "5") {
		t.Errorf("series %q", s)
	}
}

func TestEditForeign(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.checkout()
	files := map[string]string{"mine.txt": "!"}
	write(t, r.path(defaultEditDir), files)
	r.run(exitFinding, "not a directory of gvpatch edit; -dir names another place", "edit")
	r.run(exitFinding, "not a directory of gvpatch edit", "edit", "-write")
	if have := read(t, r.path(defaultEditDir)); !maps.Equal(have, files) {
		t.Errorf("have %q", have)
	}
	r.run(exitFinding, "holds your module", "edit", "-dir", ".")
	r.run(exitFinding, "first run gvpatch edit", "edit", "-dir", "elsewhere", "-write")
}

// TestEditElsewhere edits outside of a checkout of mnet.
func TestEditElsewhere(t *testing.T) {
	needsGit(t)
	r := newRig(t)
	r.run(exitOK, "gvpatch edit -write", "edit")
	r.run(exitFailure, "-o names another place for the result", "edit", "-write")
	out := t.TempDir()
	r.run(exitOK, "_overlay/pkg/tcpip/new.go", "edit", "-write", "-o", out)
	series, pin, err := patches.Parse(os.DirFS(out))
	r.check(err)
	if len(series.Patches) != 2 || pin.Version != gvVersion || pin.Sum != r.tool.pin.Sum {
		t.Errorf("series %q, pin %+v", series.Patches, pin)
	}
}

// TestEditNeedsGit has no git.
func TestEditNeedsGit(t *testing.T) {
	goBin, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(goBin, filepath.Join(bin, filepath.Base(goBin))); err != nil {
		t.Skip(err) // where links need a privilege
	}
	r := newRig(t)
	t.Setenv("PATH", bin)
	r.run(exitFailure, "git is not installed; gvpatch edit and rebase need it", "edit")
	r.run(exitOK, "written to", "apply")
	r.run(exitOK, "the build uses it", "check")
}
