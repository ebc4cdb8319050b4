// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package patches

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// OverlayDir is the directory of the overlay, next to the patches.
const OverlayDir = "_overlay"

// overlayRoot is where in gVisor the overlay may have files.
const overlayRoot = "pkg/tcpip"

// Parse reads a directory with a series. Fixes are numbered 0001, 0002, ... and
// hooks 0101, 0102, ..., each without a gap. Two patches of the same number come
// from two branches that were never put in order.
func Parse(fsys fs.FS) (Series, Pin, error) {
	var s Series
	pin, err := parsePin(fsys)
	if err == nil {
		s.Patches, err = parsePatches(fsys)
	}
	if err == nil {
		s.Overlay, err = parseOverlay(fsys)
	}
	if err != nil {
		return Series{}, Pin{}, fmt.Errorf("patches: %w", err)
	}
	return s, pin, nil
}

func parsePin(fsys fs.FS) (pin Pin, err error) {
	data, err := fs.ReadFile(fsys, "pin.json")
	if err != nil {
		return pin, err
	}
	if err := json.Unmarshal(data, &pin); err != nil {
		return pin, fmt.Errorf("pin.json: %w", err)
	}
	return pin, nil
}

func parsePatches(fsys fs.FS) ([]Patch, error) {
	names, err := fs.Glob(fsys, "*.patch") // sorted
	if err != nil {
		return nil, err
	}
	next := map[Kind]int{Fix: 1, Hook: FirstHook}
	var patches []Patch
	for _, name := range names {
		p := Patch{Name: name}
		k := p.Kind()
		if !strings.HasPrefix(name, fmt.Sprintf("%04d-", next[k])) {
			return nil, fmt.Errorf("%s: want a name that starts with %04d- (fix) or %04d- (hook)", name, next[Fix], next[Hook])
		}
		next[k]++
		if p.Data, err = fs.ReadFile(fsys, name); err != nil {
			return nil, err
		}
		patches = append(patches, p)
	}
	return patches, nil
}

func parseOverlay(fsys fs.FS) (map[string][]byte, error) {
	overlay := make(map[string][]byte)
	err := fs.WalkDir(fsys, OverlayDir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name == OverlayDir:
			return nil // no overlay
		case err != nil || d.IsDir():
			return err
		}
		to := strings.TrimPrefix(name, OverlayDir+"/")
		switch {
		case to == "README.md":
			return nil
		case !strings.HasPrefix(to, overlayRoot+"/") || path.Ext(to) != ".go":
			return fmt.Errorf("%s: want a Go file below %s", name, path.Join(OverlayDir, overlayRoot))
		}
		overlay[to], err = fs.ReadFile(fsys, name)
		return err
	})
	return overlay, err
}
