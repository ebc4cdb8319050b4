// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

// list prints the series and what it is made for.
func (t *tool) list(_ context.Context, args []string) error {
	if err := t.parse(t.flags("list"), args); err != nil {
		return err
	}
	series, err := tree.Parse(t.series)
	if err != nil {
		return finding{err}
	}
	t.printf("gvisor  %s@%s\nsum     %s\nseries  %s\ntree    %s\n\n", t.pin.Module, t.pin.Version, t.pin.Sum, t.series.Hash(), t.pin.Tree)
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	sums := make(map[patches.Kind]int)
	for _, p := range series.Patches() {
		k, n := patches.Patch{Name: p.Name}.Kind(), p.Changed()
		sums[k] += n
		fmt.Fprintf(w, "%.4s\t%s\t%d\t%s\n", p.Name, k, n, p.Subject)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	t.printf("\noverlay: %d files\nfixes: %d lines\nseam: %d lines\n", len(series.Overlay), sums[patches.Fix], sums[patches.Hook])
	return nil
}

// record updates the record after the series changed.
func (t *tool) record(ctx context.Context, args []string) error {
	if err := t.parse(t.flags("record"), args); err != nil {
		return err
	}
	dir, err := t.seriesDir(ctx)
	if err != nil {
		return err
	}
	original, sum, err := t.original(ctx, t.pin.Version, t.pin.Sum)
	if err != nil {
		return err
	}
	pin := t.pin
	pin.Sum = sum
	if pin.Tree, err = treeHash(original, pin, t.series); err != nil {
		return err
	}
	if err := writePin(dir, pin); err != nil {
		return err
	}
	t.printf("series %.12s makes %s\n", t.series.Hash(), pin.Tree)
	return nil
}

// rebase tries the series on another version.
func (t *tool) rebase(ctx context.Context, args []string) error {
	fs := t.flags("rebase")
	to := fs.String("to", "", "`version` of gVisor (required)")
	out := fs.String("o", "", "write the rebased series to `directory` (default patches/ of mnet)")
	if err := t.parse(fs, args); err != nil {
		return err
	}
	if *to == "" {
		fmt.Fprintln(t.stderr, "gvpatch rebase: -to is missing")
		fs.Usage()
		return errUsage
	}
	if *out == "" {
		dir, err := t.seriesDir(ctx)
		if err != nil {
			return fmt.Errorf("%w; -o names another place for the result", err)
		}
		*out = dir
	}
	m, err := t.download(ctx, t.pin.Module, *to, false)
	if err != nil {
		return err
	}
	pin := patches.Pin{Module: t.pin.Module, Version: m.Version, Sum: m.Sum}
	original, _, err := t.original(ctx, pin.Version, pin.Sum)
	if err != nil {
		return err
	}
	rebased := patches.Series{Overlay: t.series.Overlay}
	if rebased.Patches, err = t.tryOn(original); err != nil {
		return err
	}
	if pin.Tree, err = treeHash(original, pin, rebased); err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o777); err != nil {
		return err
	}
	if err := writeSeries(*out, rebased); err != nil {
		return err
	}
	if err := writePin(*out, pin); err != nil {
		return err
	}
	t.printf("written to %s; in mnet, go on with\n\tgo get %s@%s\n", *out, pin.Module, pin.Version)
	return nil
}

// tryOn rebases the series to a tree and says how each patch fares. It goes on
// after a patch that fails, to show how much work there is.
func (t *tool) tryOn(original tree.Tree) ([]patches.Patch, error) {
	series, err := tree.Parse(t.series)
	if err != nil {
		return nil, finding{err}
	}
	files := maps.Clone(original)
	var rebased []patches.Patch
	failed := 0
	for _, p := range series.Patches() {
		data, results, err := p.Rebase(files)
		if err != nil {
			failed++
			t.printf("%s fails\n", p.Name)
		} else {
			t.printf("%s applies\n", p.Name)
		}
		for _, r := range results {
			switch {
			case r.Err != nil: // printed below with the others
			case r.Offset != 0:
				t.printf("\t%s: hunk %d applies %d lines off\n", r.File, r.Hunk, r.Offset)
			default:
				t.printf("\t%s: hunk %d applies\n", r.File, r.Hunk)
			}
		}
		if err != nil {
			t.printf("%v\n", err)
		}
		rebased = append(rebased, patches.Patch{Name: p.Name, Data: data})
	}
	if failed > 0 {
		return nil, findingf("%d of %d patches fail; nothing was written", failed, len(t.series.Patches))
	}
	return rebased, nil
}

// seriesDir returns the directory of the series in a checkout of mnet. It must
// hold the series that this program was built with.
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

// writeSeries writes the files of a series.
func writeSeries(dir string, s patches.Series) error {
	files := make(map[string][]byte)
	for _, p := range s.Patches {
		files[p.Name] = p.Data
	}
	for name, data := range s.Overlay {
		files[path.Join(patches.OverlayDir, name)] = data
	}
	for name, data := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

func writePin(dir string, pin patches.Pin) error {
	data, err := json.MarshalIndent(pin, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "pin.json"), append(data, '\n'), 0o666)
}
