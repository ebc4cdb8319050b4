// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

// stepPackages are built after each fix. They are the part of gVisor that the series
// changes, and packages on top of it that build on every system.
var stepPackages = []string{"./pkg/tcpip/network/...", "./pkg/tcpip/transport/...", "./pkg/tcpip/adapters/gonet", "./pkg/tcpip/link/channel"}

// check checks the series, what it makes, and the directory if there is one.
func (t *tool) check(ctx context.Context, args []string) error {
	fs := t.flags("check")
	dirName := dirFlag(fs)
	useFlag := useFlag(fs)
	doBuild := fs.Bool("build", false, "build gVisor after each fix, and with the overlay and the hooks")
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
	original, _, err := t.original(ctx, t.pin.Version, t.pin.Sum)
	if err != nil {
		return err
	}
	t.printf("%s@%s is the original\n", t.pin.Module, t.pin.Version)

	series, err := tree.Parse(t.series)
	if err != nil {
		return finding{err}
	}
	build := func(context.Context, string, udiff.Tree) error { return nil }
	if *doBuild {
		build = buildStep
	}
	built, err := t.steps(ctx, original, series, build)
	if err != nil {
		return finding{err}
	}
	if have := tree.Hash(built); have != t.pin.Tree {
		return findingf("the series makes a tree with the hash %s, recorded is %s; if the series was changed, run gvpatch record", have, t.pin.Tree)
	}
	t.printf("series %.12s makes the tree that is recorded\n", t.series.Hash())

	dir := inModule(mod, *dirName)
	state, files, err := tree.Inspect(dir, t.pin.Tree)
	switch {
	case err != nil:
		return err
	case state == tree.Missing:
		t.printf("%s is not there\n", dir)
	case state != tree.Current:
		return findingf("%s: %s%s", dir, state, list(files))
	default:
		t.printf("%s is up to date\n", dir)
		if err := t.checkUse(ctx, mod, dir, use); err != nil {
			return err
		}
		if use != useNone {
			t.printf("the build uses it\n")
		}
	}
	return nil
}

// steps makes the patched gVisor. It calls build with the tree after each fix, and with
// the result.
func (t *tool) steps(ctx context.Context, original tree.Tree, series *tree.Series, build func(context.Context, string, udiff.Tree) error) (tree.Tree, error) {
	built := maps.Clone(original)
	for _, p := range series.Fixes {
		if err := p.Apply(built); err != nil {
			return nil, err
		}
		if err := build(ctx, p.Name, built); err != nil {
			return nil, err
		}
		t.printf("%s applies\n", p.Name)
	}
	for _, p := range series.Hooks {
		if err := p.Apply(built); err != nil {
			return nil, err
		}
		t.printf("%s applies\n", p.Name)
	}
	if err := series.LayOverlay(built); err != nil {
		return nil, err
	}
	if err := tree.Finish(built, original, t.pin, series); err != nil {
		return nil, err
	}
	return built, build(ctx, "overlay and hooks", built)
}

// buildStep builds a tree in a directory of its own. The output does not have the name
// of the directory in it, so that packages that a patch leaves alone are built once.
func buildStep(ctx context.Context, name string, t udiff.Tree) error {
	tmp, err := os.MkdirTemp("", "gvpatch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	dir := filepath.Join(tmp, "gvisor")
	if err := tree.Write(dir, t); err != nil {
		return err
	}
	if _, err = gocmd.Run(ctx, dir, append([]string{"build", "-trimpath"}, stepPackages...)...); err != nil {
		return fmt.Errorf("%s: gVisor doesn't build with it:\n%w", name, err)
	}
	return nil
}
