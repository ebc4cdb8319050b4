// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
)

// A MismatchError says that a build does not use the patched gVisor, and what to do.
type MismatchError struct{ msg string }

func (e *MismatchError) Error() string { return e.msg }

func mismatchf(format string, args ...any) error {
	return &MismatchError{fmt.Sprintf(format, args...)}
}

// CheckVersion returns a [MismatchError] if a go.mod requires another version of
// gVisor than the patches are for.
func CheckVersion(ctx context.Context, f *gocmd.ModFile, pin patches.Pin) error {
	switch have := f.Required(pin.Module); have {
	case pin.Version:
		return nil
	case "":
		return mismatchf("%s does not require %s; first run\n\tgo get %s@%s", f.Name, pin.Module, pin.Module, pin.Version)
	default:
		return mismatchf("%s requires %s %s, but the patches are for %s.\n%s", f.Name, pin.Module, have, pin.Version,
			choices(ctx, f.Root(), gocmd.NoWork, have, pin))
	}
}

// Check returns a [MismatchError] if a build does not use dir in place of gVisor. The
// file f, a go.mod or go.work, has the replacement. The build is in its directory, with
// the go.work named work.
func Check(ctx context.Context, f *gocmd.ModFile, work, dir string, pin patches.Pin) error {
	place := f.Root()
	if work != gocmd.NoWork {
		place += ", under " + work + ","
	}
	const again = "run gvpatch apply again"
	replacements := f.Replacements(pin.Module)
	leads := func(r gocmd.Replace) bool { return points(f.Root(), r.New, dir) }
	if !slices.ContainsFunc(replacements, leads) {
		return mismatchf("%s does not replace %s by %s; %s", f.Name, pin.Module, dir, again)
	}
	used, err := gocmd.Use(ctx, f.Root(), work, pin.Module)
	if err != nil {
		return fmt.Errorf("can't tell which gVisor the build in %s uses: %w", place, err)
	}
	if have := used.Version.Version; have != pin.Version {
		return mismatchf("the build in %s uses %s %s, but the patches are for %s.\n%s", place, pin.Module, have, pin.Version,
			choices(ctx, f.Root(), work, have, pin))
	}
	for _, r := range replacements {
		if leads(r) && r.Old.Version != pin.Version {
			return mismatchf("%s replaces %s by %s, not %s alone; %s", f.Name, r.Old, r.New, pin.Version, again)
		}
	}
	if used.Replace == nil || !sameDir(used.Replace.Dir, dir) {
		return mismatchf("the build in %s does not use %s: a go.work has replacements of its own, which come before the one of go.mod; give it the right one:\n\tgo work edit -replace=%s@%s=%s %s",
			place, dir, pin.Module, pin.Version, dir, work)
	}
	return nil
}

func sameDir(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// choices names the dependencies that require a version without patches, and what the
// user can do.
func choices(ctx context.Context, root, work, version string, pin patches.Pin) string {
	get := "go get " + pin.Module + "@" + pin.Version
	if work != gocmd.NoWork {
		get += "     in each module of the workspace"
	}
	requirers, err := gocmd.Requirers(ctx, root, work, gocmd.Version{Path: pin.Module, Version: version})
	if err == nil && len(requirers) == 0 {
		return "No dependency requires that version. To go back, run\n\t" + get
	}
	who := "modules that go mod graph names"
	if err == nil {
		who = strings.Join(requirers, ", ")
	}
	return fmt.Sprintf(`That version is required by %s.
You can
  - go back, which downgrades or removes these modules and those that require them:
	%s
  - use a version of mnet that has patches for %s
  - build with the original gVisor: without migration`, who, get, version)
}
