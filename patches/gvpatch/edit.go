// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/edit"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
)

const defaultEditDir = "third_party/gvisor-edit"

func editDirFlag(fs *flag.FlagSet) *string {
	return fs.String("dir", defaultEditDir, "`directory` of the git repository, relative to the module's root")
}

func outFlag(fs *flag.FlagSet) *string {
	return fs.String("o", "", "write the series to `directory` (default patches/ of mnet)")
}

// outDir returns the directory that -o names, or its default.
func (t *tool) outDir(ctx context.Context, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	dir, err := t.seriesDir(ctx)
	if err != nil {
		return "", fmt.Errorf("%w; -o names another place for the result", err)
	}
	return dir, nil
}

// edit makes a git repository of the series, or the series of the repository.
func (t *tool) edit(ctx context.Context, args []string) error {
	fs := t.flags("edit")
	dirName := editDirFlag(fs)
	write := fs.Bool("write", false, "write the series of the repository")
	out := outFlag(fs)
	if err := t.parse(fs, args); err != nil {
		return err
	}
	dir, err := t.editDir(ctx, *dirName)
	if err != nil {
		return err
	}
	if *write {
		to, err := t.outDir(ctx, *out)
		if err != nil {
			return err
		}
		return t.writeBack(ctx, dir, to)
	}
	r, err := t.openEdit(ctx, dir)
	if err != nil {
		return err
	}
	t.printf(`%s holds the series as commits: the fixes, the overlay, the hooks.
Change them by git: commit, commit --amend, rebase -i refs/gvpatch/original.
"gvpatch edit -write" makes the series what is committed.
`, r.Dir)
	return nil
}

func (t *tool) editDir(ctx context.Context, name string) (string, error) {
	mod, err := gocmd.MainModule(ctx, t.dir)
	if err != nil {
		return "", err
	}
	dir := inModule(mod, name)
	return dir, keepsModule(dir, mod)
}

// openEdit returns the repository of the series. If the repository is of another series
// or version, it makes it anew, unless that would lose an edit.
func (t *tool) openEdit(ctx context.Context, dir string) (*edit.Repo, error) {
	r, err := edit.Open(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, edit.ErrForeign):
		return nil, findingf("%w; -dir names another place", err)
	case err != nil:
		return nil, err
	default:
		edits, err := r.Edits(ctx)
		if err != nil {
			return nil, err
		}
		if len(edits) > 0 {
			return nil, findingf("%s has edits that no series holds%s\ngvpatch edit -write writes them back; remove the directory to drop them", dir, list(edits))
		}
		if r.Hash == t.series.Hash() && r.Version == t.pin.Version {
			return r, nil
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	original, _, err := t.build(ctx)
	if err != nil {
		return nil, err
	}
	return edit.Create(ctx, dir, original, t.pin, t.series)
}

// staleText says how the edits of an old series are carried over to a new one.
const staleText = `the series changed after %[1]s was made of it; to write now would undo that.
To put the edits on top of the new series:
	mv %[1]s %[1]s.old
	gvpatch edit
	cd %[1]s
	git fetch ../%[2]s.old series:mine refs/gvpatch/written:refs/gvpatch/old
	git rebase --onto series refs/gvpatch/old mine
	git checkout -B series
and squash each into its commit by git rebase -i refs/gvpatch/original`

// writeBack writes the series of the repository in dir to the directory to.
func (t *tool) writeBack(ctx context.Context, dir, to string) error {
	r, err := edit.Open(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return findingf("%s is not there; first run gvpatch edit", dir)
	case errors.Is(err, edit.ErrForeign):
		return finding{err}
	case err != nil:
		return err
	}
	if r.Hash != t.series.Hash() {
		return findingf(staleText, dir, filepath.Base(dir))
	}
	open, err := r.Unfinished(ctx)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return findingf("%s is not ready to be written back%s", dir, list(open))
	}
	return t.writeSeriesOf(ctx, r, to)
}

// writeSeriesOf reads the series from a repository and writes it to a directory.
func (t *tool) writeSeriesOf(ctx context.Context, r *edit.Repo, to string) error {
	pin := patches.Pin{Module: t.pin.Module, Version: r.Version, Sum: r.Sum}
	original, _, err := t.original(ctx, pin.Version, pin.Sum)
	if err != nil {
		return err
	}
	series, err := r.Read(ctx, original)
	if err != nil {
		return finding{fmt.Errorf("%s: %w", r.Dir, err)}
	}
	if pin.Tree, err = treeHash(original, pin, series); err != nil {
		return err
	}
	changed, err := writeSeries(to, series, pin)
	if err != nil {
		return err
	}
	if err := r.Written(ctx, series.Hash()); err != nil {
		return err
	}
	t.printf("%s: series %.12s, %d files changed%s\n", to, series.Hash(), len(changed), list(changed))
	return nil
}
