// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package wire makes a module build with a directory in place of gVisor.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
)

// Wiring is a possible change to a go.mod or go.work file.
type Wiring struct {
	// Name is the name of the file.
	Name string

	text string   // of a file that has to be written; or
	args []string // of the go command that edits it; empty if it is right already
}

// Mod prepares the replacement of the module by dir in the go.mod f.
func Mod(f *gocmd.ModFile, pin patches.Pin, dir string) (*Wiring, error) {
	return edit("mod", f, pin, dir)
}

// Work prepares the replacement of the module by dir in the go.work next to the go.mod
// f. The go.work need not exist.
func Work(ctx context.Context, f *gocmd.ModFile, pin patches.Pin, dir string) (*Wiring, error) {
	name := filepath.Join(f.Root(), "go.work")
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		to, err := relative(f.Root(), dir)
		if err != nil {
			return nil, err
		}
		return &Wiring{Name: name, text: fmt.Sprintf(`// Written by gvpatch. Set GOWORK=off to build with the original gVisor.

go %s

use .

replace %s %s => %s
`, f.Go, pin.Module, pin.Version, to)}, nil
	}
	w, err := gocmd.WorkFile(ctx, name)
	if err != nil {
		return nil, err
	}
	return edit("work", w, pin, dir, "-use=.")
}

// edit prepares an edit by go mod edit or go work edit. The replacement names the
// version that the patches are for. If a dependency raises gVisor above it, the
// directory must not take the place of the newer version.
func edit(kind string, f *gocmd.ModFile, pin patches.Pin, dir string, args ...string) (*Wiring, error) {
	to, err := relative(f.Root(), dir)
	if err != nil {
		return nil, err
	}
	there := false
	var drop []string
	for _, r := range f.Replacements(pin.Module) {
		right := r.Old.Version == pin.Version
		old := strings.TrimSuffix(r.Old.Path+"@"+r.Old.Version, "@")
		switch {
		case points(f.Root(), r.New, dir) && right:
			there = true
		case points(f.Root(), r.New, dir):
			drop = append(drop, "-dropreplace="+old) // of an earlier gvpatch or pin
		case right || r.Old.Version == "":
			return nil, fmt.Errorf("%s replaces %s by %s already; if that can go, run\n\tgo %s edit -dropreplace=%s", f.Name, pin.Module, r.New, kind, old)
		}
	}
	w := &Wiring{Name: f.Name}
	if !there || len(drop) > 0 {
		w.args = append(append(append([]string{kind, "edit"}, drop...), "-replace="+pin.Module+"@"+pin.Version+"="+to), append(args, f.Name)...)
	}
	return w, nil
}

// Write makes the change and reports whether there was one to make.
func (w *Wiring) Write(ctx context.Context) (changed bool, err error) {
	switch {
	case w.text != "":
		err = os.WriteFile(w.Name, []byte(w.text), 0o666)
	case w.args != nil:
		_, err = gocmd.Run(ctx, filepath.Dir(w.Name), w.args...)
	default:
		return false, nil
	}
	return err == nil, err
}

// points reports whether a replacement in root leads to dir.
func points(root string, r gocmd.Version, dir string) bool {
	if r.Version != "" {
		return false
	}
	path := filepath.FromSlash(r.Path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	return filepath.Clean(path) == filepath.Clean(dir)
}

// relative returns dir as go.mod wants it: with slashes, and ./ or ../ in front.
func relative(root, dir string) (string, error) {
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return "", err
	}
	rel = filepath.ToSlash(rel)
	if rel != ".." && !strings.HasPrefix(rel, "../") {
		rel = "./" + rel
	}
	return rel, nil
}
