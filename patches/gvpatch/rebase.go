// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/edit"
)

// rebase moves the series to another version of gVisor.
func (t *tool) rebase(ctx context.Context, args []string) error {
	fs := t.flags("rebase")
	version := fs.String("to", "", "`version` of gVisor (required)")
	dirName := editDirFlag(fs)
	out := outFlag(fs)
	if err := t.parse(fs, args); err != nil {
		return err
	}
	if *version == "" {
		fmt.Fprintln(t.stderr, "gvpatch rebase: -to is missing")
		fs.Usage()
		return errUsage
	}
	outDir, err := t.outDir(ctx, *out)
	if err != nil {
		return err
	}
	m, err := t.download(ctx, t.pin.Module, *version, false)
	if err != nil {
		return err
	}
	pin := patches.Pin{Module: t.pin.Module, Version: m.Version, Sum: m.Sum}
	from, _, err := t.original(ctx, t.pin.Version, t.pin.Sum)
	if err != nil {
		return err
	}
	to, _, err := t.original(ctx, pin.Version, pin.Sum)
	if err != nil {
		return err
	}
	dir, err := t.editDir(ctx, *dirName)
	if err != nil {
		return err
	}
	r, err := t.openEdit(ctx, dir)
	if err != nil {
		return err
	}
	outcomes, err := r.Rebase(ctx, from, to, pin)
	if err != nil {
		return err
	}
	if conflicts := t.printOutcomes(outcomes, pin.Version); conflicts > 0 {
		return findingf(`%d of %d commits conflict; nothing was written. git stopped at the first:
	cd %s
resolve it, git add, git rebase --continue, and so on; then run
	gvpatch edit -write`, conflicts, len(outcomes), r.Dir)
	}
	if err := t.writeSeriesOf(ctx, r, outDir); err != nil {
		return err
	}
	t.printf("in mnet, go on with\n\tgo get %s@%s\n", pin.Module, pin.Version)
	return nil
}

// printOutcomes prints how each commit fares, and returns the number of commits with
// conflicts.
func (t *tool) printOutcomes(outcomes []edit.Outcome, version string) (conflicts int) {
	for _, o := range outcomes {
		switch {
		case len(o.Conflicts) > 0:
			conflicts++
			t.printf("conflicts  %s: %s\n", o.Subject, strings.Join(o.Conflicts, ", "))
		case o.Dropped:
			t.printf("dropped    %s: %s has it\n", o.Subject, version)
		default:
			t.printf("applies    %s\n", o.Subject)
		}
	}
	return conflicts
}
