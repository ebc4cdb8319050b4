// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stampFile marks a directory that this package wrote. It holds the manifest of the
// files at that time. A file that differs from it was edited since.
const stampFile = ".gvpatch"

// State compares a directory with the tree that should be in it.
type State int

// States of a directory.
const (
	Missing State = iota // no files
	Current              // what should be there
	Stale                // as it was written, from another series or gVisor
	Damaged              // stale or current, but files are missing
	Edited               // files were changed or added since
	Foreign              // files that this package didn't write
)

func (s State) String() string {
	return [...]string{"missing", "up to date", "stale", "incomplete", "edited", "not written by gvpatch"}[s]
}

// Inspect compares a directory with the hash that it should have, and returns
// the names of files that explain the answer.
func Inspect(dir, want string) (State, []string, error) {
	have, err := scan(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && len(have) == 0:
		return Missing, nil, nil
	case err != nil:
		return 0, nil, err
	}
	stamp, stamped := have[stampFile]
	delete(have, stampFile)
	if have.hash("") == want {
		return Current, nil, nil
	}
	var written manifest
	if stamped && stamp != "" {
		if written, err = readStamp(dir); err != nil {
			return 0, nil, err
		}
	}
	if written == nil {
		return Foreign, nil, nil
	}
	var changed, missing []string
	for name, sum := range have {
		if written[name] != sum {
			changed = append(changed, name)
		}
	}
	for name := range written {
		if have[name] == "" {
			missing = append(missing, name)
		}
	}
	slices.Sort(changed)
	slices.Sort(missing)
	switch {
	case len(changed) > 0:
		return Edited, changed, nil
	case len(missing) > 0:
		return Damaged, missing, nil
	}
	return Stale, nil, nil
}

// Holds reports whether dir holds a copy of the module, from any source.
func Holds(dir, module string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "module" {
			return f[1] == module
		}
	}
	return false
}

// readStamp returns nil if the file is not a stamp.
func readStamp(dir string) (manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, stampFile))
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(string(data))
	if err != nil || len(m) == 0 {
		return nil, nil
	}
	return m, nil
}

// abandonedAfter is the age at which files beside the directory belong to a run that
// was killed. A run takes a second.
const abandonedAfter = 10 * time.Minute

// Write replaces dir by the tree. It writes next to dir and renames, so that
// dir is never half written.
func Write(dir string, t Tree) (err error) {
	parent, base := filepath.Split(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	prefix := "." + base + ".gvpatch-"
	if err := sweep(parent, prefix); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, prefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	fresh, old := filepath.Join(tmp, "new"), filepath.Join(tmp, "old")
	// With the user's umask; the directories of MkdirTemp are private.
	if err := os.Mkdir(fresh, 0o777); err != nil {
		return err
	}
	if err := writeFiles(fresh, t); err != nil {
		return err
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return errors.Join(err, restore(old, dir))
	}
	return nil
}

// sweep removes the files that killed runs left in a directory.
func sweep(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if time.Since(info.ModTime()) < abandonedAfter {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// restore puts the old directory back.
func restore(old, dir string) error {
	err := os.Rename(old, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func writeFiles(dir string, t Tree) (err error) {
	r, err := os.OpenRoot(dir) // no name leads out of it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if name == stampFile || strings.HasPrefix(name, stampFile+"/") {
			return fmt.Errorf("%s: the name is taken", name)
		}
		if err := r.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := r.WriteFile(name, t[name], 0o666); err != nil {
			return err
		}
	}
	return r.WriteFile(stampFile, []byte(manifestOf(t).String()), 0o666)
}
