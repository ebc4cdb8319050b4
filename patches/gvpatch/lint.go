// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/lint"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

// lintPackages are the packages that the series may change, and packages on top of
// them.
const lintPackages = "./pkg/tcpip/..."

// checklocks is gVisor's analyzer of locks, a package of its module.
const checklocks = "tools/checklocks/cmd/checklocks"

// lint runs analyzers on the patched gVisor and on the original. It fails if the
// patched one has a finding that the original lacks.
func (t *tool) lint(ctx context.Context, args []string) error {
	fs := t.flags("lint")
	staticcheck := fs.String("staticcheck", "", "`package@version` of staticcheck (default: not run)")
	if err := t.parse(fs, args); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "gvpatch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	analyzers, err := installAnalyzers(ctx, tmp, t.pin.Module+"/"+checklocks+"@"+t.pin.Version, *staticcheck)
	if err != nil {
		return err
	}
	original, patched, err := t.build(ctx)
	if err != nil {
		return err
	}
	known, err := findings(ctx, filepath.Join(tmp, "original", "gvisor"), original, analyzers)
	if err != nil {
		return err
	}
	have, err := findings(ctx, filepath.Join(tmp, "patched", "gvisor"), patched, analyzers)
	if err != nil {
		return err
	}
	fresh := lint.New(have, known)
	for _, f := range fresh {
		t.printf("%v\n", f)
	}
	if len(fresh) > 0 {
		return findingf("%d findings in the patched gVisor that the original lacks", len(fresh))
	}
	t.printf("the patched gVisor has no finding that the original lacks (both have %d)\n", len(known))
	return nil
}

// installAnalyzers builds checklocks and staticcheck, each named as package@version,
// and returns all analyzers.
func installAnalyzers(ctx context.Context, dir, checklocks, staticcheck string) ([]lint.Tool, error) {
	bin, err := gocmd.Install(ctx, dir, checklocks)
	if err != nil {
		return nil, err
	}
	tools := []lint.Tool{
		{Name: "vet", Args: []string{"go", "vet"}},
		{Name: "checklocks", Args: []string{"go", "vet", "-vettool=" + bin}},
	}
	if staticcheck == "" {
		return tools, nil
	}
	if bin, err = gocmd.Install(ctx, dir, staticcheck); err != nil {
		return nil, err
	}
	return append(tools, lint.Tool{Name: "staticcheck", Args: []string{bin}}), nil
}

// findings returns what all analyzers say of a tree, which is written to dir.
func findings(ctx context.Context, dir string, t tree.Tree, analyzers []lint.Tool) ([]lint.Finding, error) {
	if err := tree.Write(dir, t); err != nil {
		return nil, err
	}
	all := lint.Gofmt(t)
	for _, a := range analyzers {
		f, err := a.Run(ctx, dir, lintPackages)
		if err != nil {
			return nil, err
		}
		all = append(all, f...)
	}
	return all, nil
}
