// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package edit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/git"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

// Create makes a repository in dir, which must not exist or be empty.
func Create(ctx context.Context, dir string, original tree.Tree, pin patches.Pin, s patches.Series) (_ *Repo, err error) {
	parsed, err := tree.Parse(s)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return nil, err
	}
	// Made next to dir and renamed: dir is never half made.
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	r := &Repo{Repo: git.Repo{Dir: filepath.Join(tmp, "new")}, Version: pin.Version, Sum: pin.Sum, Hash: s.Hash()}
	if err := os.Mkdir(r.Dir, 0o777); err != nil {
		return nil, err
	}
	if err := r.fill(ctx, original, parsed); err != nil {
		return nil, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.Rename(r.Dir, dir); err != nil {
		return nil, err
	}
	r.Dir = dir
	return r, nil
}

func (r *Repo) fill(ctx context.Context, original tree.Tree, s *tree.Series) error {
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=" + branch},
		{"config", "core.autocrlf", "false"}, // patches are about bytes
		{"config", "core.filemode", "false"},
	} {
		if _, err := r.Run(ctx, args...); err != nil {
			return err
		}
	}
	have := make(tree.Tree)
	if err := r.commit(ctx, have, original, "gVisor "+r.Version+"\n"); err != nil {
		return err
	}
	if _, err := r.Run(ctx, "update-ref", originalRef, "HEAD"); err != nil {
		return err
	}
	for _, p := range s.Fixes {
		if err := r.commitPatch(ctx, have, p); err != nil {
			return err
		}
	}
	want := maps.Clone(have)
	if err := s.LayOverlay(want); err != nil {
		return err
	}
	if err := r.commit(ctx, have, want, OverlaySubject+"\n\n"+overlayBody); err != nil {
		return err
	}
	for _, p := range s.Hooks {
		if err := r.commitPatch(ctx, have, p); err != nil {
			return err
		}
	}
	return r.mark(ctx)
}

func (r *Repo) commitPatch(ctx context.Context, have tree.Tree, p *udiff.Patch) error {
	want := maps.Clone(have)
	if err := p.Apply(want); err != nil {
		return err
	}
	message := p.Subject + "\n"
	if p.Body != "" {
		message += "\n" + p.Body
	}
	return r.commit(ctx, have, want, message)
}

// commit writes the files of want over those of have, and commits them. It updates
// have.
func (r *Repo) commit(ctx context.Context, have, want tree.Tree, message string) error {
	for name, data := range want {
		if old, ok := have[name]; ok && bytes.Equal(old, data) {
			continue
		}
		path := filepath.Join(r.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return err
		}
		have[name] = data
	}
	for name := range have {
		if _, ok := want[name]; ok {
			continue
		}
		if err := os.Remove(filepath.Join(r.Dir, filepath.FromSlash(name))); err != nil {
			return err
		}
		delete(have, name)
	}
	if _, err := r.Run(ctx, "add", "--all", "--force"); err != nil {
		return err
	}
	_, err := r.Input(ctx, message, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--file=-")
	return err
}
