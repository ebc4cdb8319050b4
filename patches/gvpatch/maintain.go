// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/mnet-dev/mnet/patches"
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
	if _, err := writeSeries(dir, t.series, pin); err != nil {
		return err
	}
	t.printf("series %.12s makes %s\n", t.series.Hash(), pin.Tree)
	return nil
}
