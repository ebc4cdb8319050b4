// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/wire"
)

const (
	mnetModule = "github.com/mnet-dev/mnet"
	defaultDir = "third_party/gvisor"
	maxNamed   = 10 // files that an error names
)

func dirFlag(fs *flag.FlagSet) *string {
	return fs.String("dir", defaultDir, "`directory` of the patched gVisor, relative to the module's root")
}

// apply writes the patched gVisor and makes the module use it.
func (t *tool) apply(ctx context.Context, args []string) error {
	fs := t.flags("apply")
	dirName := dirFlag(fs)
	useFlag := useFlag(fs)
	force := fs.Bool("force", false, "overwrite files that were edited")
	if err := t.parse(fs, args); err != nil {
		return err
	}
	mod, err := gocmd.MainModule(ctx, t.dir)
	if err != nil {
		return err
	}
	use, err := t.use(*useFlag, mod)
	if err != nil {
		return err
	}
	dir := inModule(mod, *dirName)
	if err := keepsModule(dir, mod); err != nil {
		return err
	}
	w, err := t.wiring(ctx, mod, dir, use)
	if err != nil {
		return finding{err}
	}

	state, files, err := tree.Inspect(dir, t.pin.Tree)
	if err != nil {
		return err
	}
	if err := t.mayOverwrite(dir, state, files, *force); err != nil {
		return err
	}
	if state != tree.Current {
		if err := t.write(ctx, dir); err != nil {
			return err
		}
		t.printf("%s@%s with %d patches and %d new files, series %.12s, written to %s\n",
			t.pin.Module, t.pin.Version, len(t.series.Patches), len(t.series.Overlay), t.series.Hash(), dir)
	} else {
		t.printf("%s is up to date, series %.12s\n", dir, t.series.Hash())
	}

	if w == nil {
		return nil
	}
	changed, err := w.Write(ctx)
	if err != nil {
		return err
	}
	if changed {
		t.printf("%s makes the module use it\n", w.Name)
	}
	if mod, err = gocmd.MainModule(ctx, t.dir); err != nil {
		return err
	}
	err = t.checkUse(ctx, mod, dir, use)
	if err != nil && !errors.As(err, new(finding)) {
		fmt.Fprintln(t.stderr, "gvpatch:", err) // the request is carried out all the same
		return nil
	}
	return err
}

// mayOverwrite returns an error if a directory holds work of the user. Nothing but a
// gVisor is ever overwritten.
func (t *tool) mayOverwrite(dir string, state tree.State, files []string, force bool) error {
	switch state {
	case tree.Edited:
		if !force {
			return findingf("%s was edited after gvpatch wrote it%s\n-force overwrites it", dir, list(files))
		}
	case tree.Foreign:
		if !tree.Holds(dir, t.pin.Module) {
			return findingf("%s is neither empty nor a gVisor; -dir names another place", dir)
		}
		if !force {
			return findingf("%s holds a gVisor that gvpatch didn't write\n-force overwrites it", dir)
		}
	}
	return nil
}

// wiring prepares the change to go.mod or go.work. It is nil if neither shall change.
func (t *tool) wiring(ctx context.Context, mod *gocmd.ModFile, dir, use string) (*wire.Wiring, error) {
	if use == useNone {
		return nil, nil
	}
	if err := wire.CheckVersion(ctx, mod, t.pin); err != nil {
		return nil, err
	}
	if use == useWork {
		return wire.Work(ctx, mod, t.pin, dir)
	}
	return wire.Mod(mod, t.pin, dir)
}

// write builds the tree and replaces dir by it.
func (t *tool) write(ctx context.Context, dir string) error {
	_, built, err := t.build(ctx)
	if err != nil {
		return err
	}
	if have := tree.Hash(built); have != t.pin.Tree {
		return findingf("the series makes a tree with the hash %s, recorded is %s; if the series was changed, run gvpatch record", have, t.pin.Tree)
	}
	return tree.Write(dir, built)
}

// build returns the original gVisor and the patched one.
func (t *tool) build(ctx context.Context) (original, built tree.Tree, err error) {
	if original, _, err = t.original(ctx, t.pin.Version, t.pin.Sum); err != nil {
		return nil, nil, err
	}
	series, err := tree.Parse(t.series)
	if err != nil {
		return nil, nil, finding{err}
	}
	if built, err = tree.Build(original, t.pin, series); err != nil {
		return nil, nil, finding{err}
	}
	return original, built, nil
}

// original returns the files of a gVisor that the tree keeps, and the hash of the whole
// module. The hash must be sum, unless sum is empty.
func (t *tool) original(ctx context.Context, version, sum string) (files udiff.Tree, moduleSum string, err error) {
	m, err := t.download(ctx, t.pin.Module, version, sum != "")
	if err != nil {
		return nil, "", err
	}
	if sum == "" {
		sum = m.Sum
	}
	if err := tree.Verify(m.Dir, m.Path, m.Version, sum); err != nil {
		return nil, "", finding{err}
	}
	files, err = tree.Load(m.Dir, m.Path)
	return files, sum, err
}

// keepsModule returns an error if dir is the module's root or holds it.
func keepsModule(dir string, mod *gocmd.ModFile) error {
	if rel, err := filepath.Rel(dir, mod.Root()); err == nil && filepath.IsLocal(rel) {
		return findingf("%s holds your module; -dir must be a directory for gVisor alone", dir)
	}
	return nil
}

// inModule returns the path of a directory whose name is relative to the module's root.
func inModule(mod *gocmd.ModFile, dir string) string {
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(mod.Root(), dir)
}

// list returns the first names, for the end of a message.
func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > maxNamed {
		more = fmt.Sprintf("\n\t... and %d more", len(names)-maxNamed)
		names = names[:maxNamed]
	}
	return ":\n\t" + strings.Join(names, "\n\t") + more
}
