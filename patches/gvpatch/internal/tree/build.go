// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches"
)

// noticeFile describes the changes, as section 4 of the Apache License 2.0 demands.
const noticeFile = "MODIFIED.md"

// modifiedLine is the first line of each file of gVisor that a patch changes. Section
// 4(b) of the licence demands such a notice.
const modifiedLine = "// Modified by the mnet authors; " + noticeFile + " says how.\n"

// Finish trims go.mod of a tree with the whole series, and adds the notices.
func Finish(t, original Tree, pin patches.Pin, series *Series) error {
	if err := trimModules(t); err != nil {
		return err
	}
	for name, data := range t {
		before, ok := original[name]
		if ok && !bytes.Equal(before, data) && commentable(name) {
			t[name] = append([]byte(modifiedLine), data...)
		}
	}
	t[noticeFile] = notice(pin, series)
	return nil
}

// commentable reports whether a file can begin with a // comment.
func commentable(name string) bool {
	return name == "go.mod" || path.Ext(name) == ".go" || path.Ext(name) == ".s"
}

func notice(pin patches.Pin, series *Series) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# A modified gVisor

These files derive from %s@%s, which is
licensed under the Apache License 2.0: see LICENSE and AUTHORS.

They are not the original. Only %s and the packages that it imports are
here. The files go.mod and go.sum name only the modules that these import. The
mnet authors changed files by the patches below, and added the files below. Both
are part of github.com/mnet-dev/mnet. The first line of each changed Go file says
that it was changed.

Don't edit these files: gvpatch writes them.
`, pin.Module, pin.Version, root)
	for _, p := range series.Patches() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", strings.TrimSuffix(p.Name, ".patch"), p.Subject)
		for _, f := range p.Files {
			what := "changes"
			if f.New == "" {
				what = "deletes"
			}
			fmt.Fprintf(&b, "- %s `%s`\n", what, f.Name())
		}
	}
	if len(series.Overlay) > 0 {
		b.WriteString("\n## Added files\n\n")
		for _, name := range slices.Sorted(maps.Keys(series.Overlay)) {
			fmt.Fprintf(&b, "- `%s`\n", name)
		}
	}
	return b.Bytes()
}

// Build applies the series to the original and adds the notices. It does not change the
// original.
func Build(original Tree, pin patches.Pin, series *Series) (Tree, error) {
	t := maps.Clone(original)
	if err := series.Apply(t); err != nil {
		return nil, err
	}
	if err := Finish(t, original, pin, series); err != nil {
		return nil, err
	}
	return t, nil
}
