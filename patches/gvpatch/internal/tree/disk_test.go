// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestInspect(t *testing.T) {
	abc := Tree{"a": ab["a"], "d/b": ab["d/b"], "c": []byte("c\n")}
	tests := []struct {
		name  string
		setup func(t *testing.T, dir string)
		state State
		files []string
	}{
		{"missing", func(*testing.T, string) {}, Missing, nil},
		{"empty", mkdir, Missing, nil},
		{"written", func(t *testing.T, dir string) { write(t, dir, ab) }, Current, nil},
		{"written without stamp", func(t *testing.T, dir string) { put(t, dir, ab) }, Current, nil},
		{"old", func(t *testing.T, dir string) { write(t, dir, abc) }, Stale, nil},
		{"changed", func(t *testing.T, dir string) { write(t, dir, ab); put(t, dir, Tree{"a": nil}) }, Edited, []string{"a"}},
		{"old and changed", func(t *testing.T, dir string) { write(t, dir, abc); put(t, dir, Tree{"a": nil}) }, Edited, []string{"a"}},
		{"added", func(t *testing.T, dir string) { write(t, dir, ab); put(t, dir, Tree{"d/x": nil, "0": nil}) }, Edited, []string{"0", "d/x"}},
		{"removed", func(t *testing.T, dir string) { write(t, dir, ab); remove(t, dir, "d/b") }, Damaged, []string{"d/b"}},
		{"removed and added", func(t *testing.T, dir string) { write(t, dir, ab); remove(t, dir, "a"); put(t, dir, Tree{"x": nil}) }, Edited, []string{"x"}},
		{"replaced by a link", func(t *testing.T, dir string) {
			write(t, dir, ab)
			remove(t, dir, "a")
			if err := os.Symlink("d/b", filepath.Join(dir, "a")); err != nil {
				t.Skip(err) // where links need a privilege
			}
		}, Edited, []string{"a"}},
		{"foreign", func(t *testing.T, dir string) { put(t, dir, abc) }, Foreign, nil},
		{"stamp broken", func(t *testing.T, dir string) { write(t, dir, abc); put(t, dir, Tree{stampFile: []byte("x")}) }, Foreign, nil},
		{"stamp empty", func(t *testing.T, dir string) { write(t, dir, abc); put(t, dir, Tree{stampFile: nil}) }, Foreign, nil},
		{"a file", func(t *testing.T, dir string) { put(t, filepath.Dir(dir), Tree{filepath.Base(dir): nil}) }, Foreign, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			tt.setup(t, dir)
			state, files, err := Inspect(dir, hashAB)
			if err != nil {
				t.Fatal(err)
			}
			if state != tt.state || !slices.Equal(files, tt.files) {
				t.Errorf("%v %q, want %v %q", state, files, tt.state, tt.files)
			}
		})
	}
}

// TestWriteReplaces wants no old file to remain in the directory or beside it.
func TestWriteReplaces(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "third_party")
	dir := filepath.Join(parent, "gvisor")
	write(t, dir, Tree{"a/b": nil, "x": nil})
	write(t, dir, ab)
	if state, files, err := Inspect(dir, hashAB); err != nil || state != Current {
		t.Errorf("%v %q, error %v", state, files, err)
	}
	onlyIn(t, parent, "gvisor")
}

func TestWriteSweeps(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "gvisor")
	for name, age := range map[string]time.Duration{
		".gvisor.gvpatch-1": 2 * abandonedAfter,
		".gvisor.gvpatch-2": abandonedAfter / 2, // may belong to a run of now
		".other.gvpatch-1":  2 * abandonedAfter,
	} {
		put(t, parent, Tree{name + "/new/a": nil})
		then := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(parent, name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, ab)
	onlyIn(t, parent, ".gvisor.gvpatch-2", ".other.gvpatch-1", "gvisor")
}

// TestWriteFails wants the directory unchanged.
func TestWriteFails(t *testing.T) {
	tests := []struct {
		name string
		tree Tree
	}{
		{"name of the stamp", Tree{stampFile: nil}},
		{"below the stamp", Tree{stampFile + "/x": nil}},
		{"outside", Tree{"../x": nil}},
		{"file and directory", Tree{"a": nil, "a/b": nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "gvisor")
			write(t, dir, ab)
			if err := Write(dir, tt.tree); err == nil {
				t.Fatal("no error")
			}
			if state, files, err := Inspect(dir, hashAB); err != nil || state != Current {
				t.Errorf("%v %q, error %v", state, files, err)
			}
			onlyIn(t, parent, "gvisor")
		})
	}
	t.Run("no directory possible", func(t *testing.T) {
		parent := t.TempDir()
		put(t, parent, Tree{"file": nil})
		if err := Write(filepath.Join(parent, "file", "gvisor"), ab); err == nil {
			t.Error("no error")
		}
		onlyIn(t, parent, "file")
	})
}

func TestHolds(t *testing.T) {
	tests := []struct {
		name, mod string
		want      bool
	}{
		{"it", "// c\n\nmodule m/x // c\n\ngo 1.26\n", true},
		{"quoted is another", "module \"m/y\"\n", false},
		{"other", "module m\n", false},
		{"other with it below", "module m\nrequire (\nmodule m/x\n)\n", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, Tree{"go.mod": []byte(tt.mod)})
			if have := Holds(dir, "m/x"); have != tt.want {
				t.Errorf("%v, want %v", have, tt.want)
			}
		})
	}
	if Holds(t.TempDir(), "m/x") {
		t.Error("an empty directory holds it")
	}
}

func write(t *testing.T, dir string, files Tree) {
	t.Helper()
	if err := Write(dir, files); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func onlyIn(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if !slices.Equal(have, want) {
		t.Errorf("%s holds %q, want %q", dir, have, want)
	}
}
