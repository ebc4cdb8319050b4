// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

// Outcome says how a commit fares on another version of gVisor.
type Outcome struct {
	Subject   string
	Conflicts []string // files in which git's 3-way merge needs help
	Dropped   bool     // the version has the change already
}

// Rebase moves the commits from one version of gVisor to another by git's 3-way merge,
// and returns the outcome of each. A conflict does not affect the commits after it:
// they are tried as if the patch had won. If there is a conflict, git stops at the
// first one, and the user goes on from there.
func (r *Repo) Rebase(ctx context.Context, from, to tree.Tree, pin patches.Pin) ([]Outcome, error) {
	before, err := r.Lines(ctx, "rev-parse", originalRef, branch)
	if err != nil {
		return nil, err
	}
	old, tip := before[0], before[1]
	commits, err := r.log(ctx, "%H %s")
	if err != nil {
		return nil, err
	}
	if err := r.replaceOriginal(ctx, from, to, pin); err != nil {
		return nil, err
	}
	conflicts, err := r.tryRebase(ctx, old)
	if err != nil {
		return nil, err
	}
	kept, err := r.log(ctx, "%s")
	if err != nil {
		return nil, err
	}
	var outcomes []Outcome
	for _, c := range commits {
		id, subject, _ := strings.Cut(c, " ")
		outcomes = append(outcomes, Outcome{subject, conflicts[id], !slices.Contains(kept, subject)})
	}
	if len(conflicts) == 0 {
		return outcomes, nil
	}
	if _, err := r.Run(ctx, "checkout", "--quiet", "-B", branch, tip); err != nil {
		return nil, err
	}
	if _, err := r.Run(ctx, "rebase", "--quiet", "--onto", originalRef, old); err == nil {
		return nil, errors.New("git rebase has no conflict the second time")
	}
	return outcomes, nil
}

// log returns a line of each commit after the original.
func (r *Repo) log(ctx context.Context, format string) ([]string, error) {
	return r.Lines(ctx, "log", "--reverse", "--topo-order", "--format="+format, originalRef+".."+branch)
}

// replaceOriginal commits another version of gVisor on top of the original, and makes
// it the original.
func (r *Repo) replaceOriginal(ctx context.Context, from, to tree.Tree, pin patches.Pin) error {
	if _, err := r.Run(ctx, "checkout", "--quiet", "--detach", originalRef); err != nil {
		return err
	}
	if err := r.commit(ctx, maps.Clone(from), to, "gVisor "+pin.Version+"\n"); err != nil {
		return err
	}
	if _, err := r.Run(ctx, "update-ref", originalRef, "HEAD"); err != nil {
		return err
	}
	r.Version, r.Sum = pin.Version, pin.Sum
	return r.settings(ctx)
}

// tryRebase rebases the commits from old on, and resolves each conflict in favour of
// the patch. It returns the files in conflict by the commit.
func (r *Repo) tryRebase(ctx context.Context, old string) (map[string][]string, error) {
	conflicts := make(map[string][]string)
	_, err := r.Run(ctx, "rebase", "--quiet", "--onto", originalRef, old, branch)
	for err != nil {
		stopped, headErr := r.Lines(ctx, "rev-parse", "--verify", "REBASE_HEAD")
		if headErr != nil {
			return nil, err // not a conflict
		}
		files, filesErr := r.Lines(ctx, "diff", "--name-only", "--diff-filter=U")
		if filesErr != nil || len(files) == 0 || conflicts[stopped[0]] != nil {
			return nil, errors.Join(err, filesErr)
		}
		conflicts[stopped[0]] = files
		if err := r.takePatch(ctx); err != nil {
			return nil, err
		}
		_, err = r.Run(ctx, "rebase", "--continue")
	}
	return conflicts, nil
}

// takePatch commits the patch at which the rebase stopped, and prefers the patch where
// there is a conflict.
func (r *Repo) takePatch(ctx context.Context) error {
	if _, err := r.Run(ctx, "reset", "--quiet", "--hard"); err != nil {
		return err
	}
	if _, err := r.Run(ctx, "cherry-pick", "--allow-empty", "--keep-redundant-commits", "-Xtheirs", "REBASE_HEAD"); err == nil {
		return nil
	}
	// A file was deleted on one side: it stays as git left it.
	if _, err := r.Run(ctx, "add", "--all"); err != nil {
		return err
	}
	_, err := r.Run(ctx, "cherry-pick", "--continue")
	return err
}
