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

// Wiring is a change to a go.mod or go.work file that is known to be possible.
type Wiring struct {
	// Name is the name of the file.
	Name string

	text string   // of a file that has to be written; or
	args []string // of the go command that edits it; empty if it is right already
}

// CheckVersion reports why a module can't use the patched gVisor: it builds
// with another version, of which the directory would silently take the place.
func CheckVersion(f *gocmd.ModFile, pin patches.Pin) error {
	switch have := f.Required(pin.Module); have {
	case pin.Version:
		return nil
	case "":
		return fmt.Errorf("%s does not require %s; first run\n\tgo get %s@%s", f.Name, pin.Module, pin.Module, pin.Version)
	default:
		return fmt.Errorf("%s requires %s %s, but the patches are for %s; run\n\tgo get %s@%s\nor use a version of mnet that has patches for yours",
			f.Name, pin.Module, have, pin.Version, pin.Module, pin.Version)
	}
}

// Mod replaces the module by dir in the go.mod f.
func Mod(f *gocmd.ModFile, module, dir string) (*Wiring, error) {
	return edit("mod", f, module, dir)
}

// Work replaces the module by dir in the go.work next to the go.mod f, which
// need not exist.
func Work(ctx context.Context, f *gocmd.ModFile, module, dir string) (*Wiring, error) {
	name := filepath.Join(f.Root(), "go.work")
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		to, err := relative(f.Root(), dir)
		if err != nil {
			return nil, err
		}
		return &Wiring{Name: name, text: fmt.Sprintf(`// Written by gvpatch. Set GOWORK=off to build with the original gVisor.

go %s

use .

replace %s => %s
`, f.Go, module, to)}, nil
	}
	w, err := gocmd.WorkFile(ctx, name)
	if err != nil {
		return nil, err
	}
	return edit("work", w, module, dir, "-use=.")
}

// edit prepares an edit by go mod edit or go work edit.
func edit(kind string, f *gocmd.ModFile, module, dir string, args ...string) (*Wiring, error) {
	to, err := relative(f.Root(), dir)
	if err != nil {
		return nil, err
	}
	w := &Wiring{Name: f.Name}
	switch r := f.Replacement(module); {
	case r == nil:
		w.args = append([]string{kind, "edit", "-replace=" + module + "=" + to}, append(args, f.Name)...)
	case !points(f.Root(), r.New, dir):
		return nil, fmt.Errorf("%s replaces %s by %s already; if that can go, run\n\tgo %s edit -dropreplace=%s",
			f.Name, module, strings.TrimSpace(r.New.Path+" "+r.New.Version), kind, strings.TrimSuffix(module+"@"+r.Old.Version, "@"))
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
