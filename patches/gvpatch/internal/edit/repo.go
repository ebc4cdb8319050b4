// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package edit turns a series into the commits of a git repository, and the
// commits back into a series.
//
// The first commit is the original gVisor. The fixes follow, a commit each, then the
// commit of the overlay, then the hooks. Patches can thus be amended, reordered, split
// and squashed by git.
package edit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/git"
)

// OverlaySubject is the subject of the commit that separates fixes from hooks.
const OverlaySubject = "Overlay: the files that mnet adds to gVisor"

const overlayBody = `Fixes come before this commit, hooks after it. A file that the original
gVisor lacks belongs to the overlay, whichever commit changes it.
`

// branch is where the commits are.
const branch = "series"

// Refs and settings that mark a repository of this package.
const (
	originalRef = "refs/gvpatch/original" // gVisor without any patch
	writtenRef  = "refs/gvpatch/written"  // the commits that the series holds
	hashKey     = "gvpatch.series"        // its hash
	versionKey  = "gvpatch.version"       // of the original
	sumKey      = "gvpatch.sum"
)

// ErrForeign is returned for a directory that holds files, and that this package did
// not make.
var ErrForeign = errors.New("not a directory of gvpatch edit")

// Repo is the repository of a series.
type Repo struct {
	git.Repo
	Version, Sum string // of the original
	Hash         string // of the series that it was made from or last written to
}

// Open opens the repository in dir. The error is fs.ErrNotExist if there is none.
func Open(ctx context.Context, dir string) (*Repo, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, os.ErrNotExist)
	}
	r := &Repo{Repo: git.Repo{Dir: dir}}
	// Without a repository of its own, git would find that of a parent directory.
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, ErrForeign)
	}
	if _, err := r.Run(ctx, "rev-parse", "--verify", writtenRef); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, ErrForeign)
	}
	for key, to := range map[string]*string{hashKey: &r.Hash, versionKey: &r.Version, sumKey: &r.Sum} {
		out, err := r.Run(ctx, "config", "--local", key)
		if err != nil {
			return nil, err
		}
		*to = strings.TrimSpace(out)
	}
	return r, nil
}

// mark records that the series with the hash r.Hash holds the commits up to HEAD.
func (r *Repo) mark(ctx context.Context) error {
	if err := r.settings(ctx); err != nil {
		return err
	}
	_, err := r.Run(ctx, "update-ref", writtenRef, "HEAD")
	return err
}

func (r *Repo) settings(ctx context.Context) error {
	for key, value := range map[string]string{hashKey: r.Hash, versionKey: r.Version, sumKey: r.Sum} {
		if _, err := r.Run(ctx, "config", "--local", key, value); err != nil {
			return err
		}
	}
	return nil
}

// Written records that the commits up to HEAD were written to a series.
func (r *Repo) Written(ctx context.Context, hash string) error {
	r.Hash = hash
	return r.mark(ctx)
}

// inProgress lists the files of git about an operation that has not ended.
var inProgress = map[string]string{
	"rebase-merge": "rebase", "rebase-apply": "rebase", "CHERRY_PICK_HEAD": "cherry-pick",
	"REVERT_HEAD": "revert", "MERGE_HEAD": "merge", "BISECT_LOG": "bisect",
}

// Unfinished returns the reasons why the commits can't be read: an operation of git in
// progress, or files without a commit. There may be none.
func (r *Repo) Unfinished(ctx context.Context) ([]string, error) {
	for _, name := range slices.Sorted(maps.Keys(inProgress)) {
		if _, err := os.Stat(filepath.Join(r.Dir, ".git", name)); err == nil {
			return []string{"git " + inProgress[name] + " is in progress"}, nil
		}
	}
	files, err := r.Lines(ctx, "status", "--porcelain", "--untracked-files=all")
	for i, f := range files {
		files[i] = "not committed: " + strings.TrimSpace(f)
	}
	return files, err
}

// Edits returns the edits in the repository that no series holds: unfinished ones,
// commits on any branch or stash, and commits that were taken away.
func (r *Repo) Edits(ctx context.Context) ([]string, error) {
	edits, err := r.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	commits, err := r.Lines(ctx, "log", "--format=%h %s", "--exclude=refs/gvpatch/*", "--all", "HEAD", "--not", writtenRef)
	if edits = append(edits, commits...); len(edits) > 0 || err != nil {
		return edits, err
	}
	return r.Lines(ctx, "log", "--format=taken away: %h %s", writtenRef, "--not", "HEAD")
}
