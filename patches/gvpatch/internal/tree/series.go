// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"fmt"
	"maps"

	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

// Series is a series whose patches were parsed.
type Series struct {
	Fixes, Hooks []*udiff.Patch
	Overlay      Tree
}

// Parse parses the patches of a series. A patch must not create a file, nor change a
// file of the overlay: new files are read, formatted and blamed as Go files.
func Parse(s patches.Series) (*Series, error) {
	parsed := &Series{Overlay: s.Overlay}
	for _, p := range s.Patches {
		u, err := udiff.Parse(p.Name, p.Data)
		if err != nil {
			return nil, err
		}
		for _, f := range u.Files {
			if _, ok := s.Overlay[f.Name()]; ok {
				return nil, fmt.Errorf("%s: %s is a file of the overlay; change it in %s", p.Name, f.Name(), patches.OverlayDir)
			}
			if f.Old == "" {
				return nil, fmt.Errorf("%s creates %s; new files belong in %s", p.Name, f.Name(), patches.OverlayDir)
			}
		}
		if p.Kind() == patches.Fix {
			parsed.Fixes = append(parsed.Fixes, u)
		} else {
			parsed.Hooks = append(parsed.Hooks, u)
		}
	}
	return parsed, nil
}

// Patches returns all patches in the order in which they apply.
func (s *Series) Patches() []*udiff.Patch {
	return append(s.Fixes[:len(s.Fixes):len(s.Fixes)], s.Hooks...)
}

// LayOverlay adds the files of the overlay to t. None of them may be there.
func (s *Series) LayOverlay(t Tree) error {
	for name := range s.Overlay {
		if _, ok := t[name]; ok {
			return fmt.Errorf("%s/%s: gVisor has a file of this name", patches.OverlayDir, name)
		}
	}
	maps.Copy(t, s.Overlay)
	return nil
}

// Apply applies the whole series to t. After an error, t is half changed.
func (s *Series) Apply(t Tree) error {
	for _, p := range s.Patches() {
		if err := p.Apply(t); err != nil {
			return err
		}
	}
	return s.LayOverlay(t)
}
