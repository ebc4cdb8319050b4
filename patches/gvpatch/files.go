// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

// seriesDir returns the directory of the series in a checkout of mnet. It must hold the
// series that this program was built with.
func (t *tool) seriesDir(ctx context.Context) (string, error) {
	mod, err := gocmd.MainModule(ctx, t.dir)
	if err != nil {
		return "", err
	}
	if mod.Module.Path != mnetModule {
		return "", errors.New("this is for a checkout of " + mnetModule)
	}
	dir := filepath.Join(mod.Root(), "patches")
	there, _, err := patches.Parse(os.DirFS(dir))
	if err != nil {
		return "", err
	}
	if there.Hash() != t.series.Hash() {
		return "", fmt.Errorf("the series in %s is not the one this program was built with; run it by go run ./patches/gvpatch", dir)
	}
	return dir, nil
}

func treeHash(original tree.Tree, pin patches.Pin, series patches.Series) (string, error) {
	parsed, err := tree.Parse(series)
	if err != nil {
		return "", finding{err}
	}
	built, err := tree.Build(original, pin, parsed)
	if err != nil {
		return "", finding{err}
	}
	return tree.Hash(built), nil
}

// writeSeries writes s and pin to dir, and removes other files of a series there. It
// returns the names of the files that it wrote or removed.
func writeSeries(dir string, s patches.Series, pin patches.Pin) (changed []string, err error) {
	want := make(map[string][]byte)
	for _, p := range s.Patches {
		want[p.Name] = p.Data
	}
	for name, data := range s.Overlay {
		want[path.Join(patches.OverlayDir, name)] = data
	}
	if want[patches.PinFile], err = pinData(pin); err != nil {
		return nil, err
	}
	have, err := seriesFiles(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if old, ok := have[name]; ok && bytes.Equal(old, want[name]) {
			continue
		}
		changed = append(changed, name)
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, want[name], 0o666); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; ok {
			continue
		}
		changed = append(changed, name)
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// seriesFiles reads the files of a series, which need not be valid, nor be there.
func seriesFiles(dir string) (map[string][]byte, error) {
	fsys := os.DirFS(dir)
	names, err := fs.Glob(fsys, "*.patch")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(fsys, patches.OverlayDir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(name) == ".go" {
			names = append(names, name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for _, name := range append(names, patches.PinFile) {
		data, err := fs.ReadFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}

func pinData(pin patches.Pin) ([]byte, error) {
	data, err := json.MarshalIndent(pin, "", "\t")
	return append(data, '\n'), err
}
