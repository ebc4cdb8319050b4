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

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/wire"
)

// Values of -use: the file that makes a build use the directory.
const (
	useMod  = "go.mod"
	useWork = "go.work"
	useNone = "none"
)

func useFlag(flags *flag.FlagSet) *string {
	return flags.String("use", "", "the `file` that points to the directory: go.mod, go.work or none (default go.mod, and go.work in mnet itself)")
}

// use returns the value of -use, or its default.
func (t *tool) use(value string, mod *gocmd.ModFile) (string, error) {
	switch value {
	case useMod, useWork, useNone:
		return value, nil
	case "":
		if mod.Module.Path == mnetModule {
			return useWork, nil // users of mnet shall not inherit anything
		}
		return useMod, nil
	}
	fmt.Fprintf(t.stderr, "gvpatch: -use %q: want go.mod, go.work or none\n", value)
	return "", errUsage
}

// checkUse checks that a build of the module uses the directory. With -use go.mod, it
// looks at a build without a go.work, and at one with the go.work of the environment.
// With -use go.work, it looks at a build with the module's own.
func (t *tool) checkUse(ctx context.Context, mod *gocmd.ModFile, dir, use string) error {
	var err error
	switch use {
	case useMod:
		err = t.checkModUse(ctx, mod, dir)
	case useWork:
		err = t.checkWorkUse(ctx, mod, dir)
	}
	if errors.As(err, new(*wire.MismatchError)) {
		return finding{err}
	}
	return err
}

func (t *tool) checkModUse(ctx context.Context, mod *gocmd.ModFile, dir string) error {
	if err := wire.Check(ctx, mod, gocmd.NoWork, dir, t.pin); err != nil {
		return err
	}
	work, err := gocmd.EnvWork(ctx, mod.Root())
	if err != nil || work == gocmd.NoWork {
		return err
	}
	return wire.Check(ctx, mod, work, dir, t.pin)
}

func (t *tool) checkWorkUse(ctx context.Context, mod *gocmd.ModFile, dir string) error {
	name := filepath.Join(mod.Root(), "go.work")
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return findingf("%s is not there; run gvpatch apply again", name)
	}
	work, err := gocmd.WorkFile(ctx, name)
	if err != nil {
		return err
	}
	return wire.Check(ctx, work, work.Name, dir, t.pin)
}
