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

// PinFile is the name of the file that holds a [Pin], next to the patches.
const PinFile = "pin.json"

// overlayRoot is the directory of gVisor that the overlay may add files to.
const overlayRoot = "pkg/tcpip"

// Parse reads a directory with a series. Fixes are numbered 0001, 0002, ... and hooks
// 0101, 0102, ..., each without a gap. Two patches of one number come from two branches
// that nobody put in order.
func Parse(fsys fs.FS) (Series, Pin, error) {
	var s Series
	pin, err := parsePin(fsys)
	if err == nil {
		s.Patches, err = parsePatches(fsys)
	}
	if err == nil {
		s.Overlay, err = parseOverlay(fsys)
	}
	if err == nil {
		err = s.Validate()
	}
	if err != nil {
		return Series{}, Pin{}, fmt.Errorf("patches: %w", err)
	}
	return s, pin, nil
}

// Validate checks the names in a series, as [Parse] does.
func (s Series) Validate() error {
	next := map[Kind]int{Fix: 1, Hook: FirstHook}
	for _, p := range s.Patches {
		k := p.Kind()
		if !strings.HasPrefix(p.Name, fmt.Sprintf("%04d-", next[k])) {
			return fmt.Errorf("%s: want a name that starts with %04d- (fix) or %04d- (hook)", p.Name, next[Fix], next[Hook])
		}
		next[k]++
	}
	for name := range s.Overlay {
		if !strings.HasPrefix(name, overlayRoot+"/") || path.Ext(name) != ".go" {
			return fmt.Errorf("%s: want a Go file below %s", path.Join(OverlayDir, name), path.Join(OverlayDir, overlayRoot))
		}
	}
	return nil
}

func parsePin(fsys fs.FS) (pin Pin, err error) {
	data, err := fs.ReadFile(fsys, PinFile)
	if err != nil {
		return pin, err
	}
	if err := json.Unmarshal(data, &pin); err != nil {
		return pin, fmt.Errorf(PinFile+": %w", err)
	}
	return pin, nil
}

func parsePatches(fsys fs.FS) ([]Patch, error) {
	names, err := fs.Glob(fsys, "*.patch") // sorted
	if err != nil {
		return nil, err
	}
	var patches []Patch
	for _, name := range names {
		p := Patch{Name: name}
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
		overlay[strings.TrimPrefix(name, OverlayDir+"/")], err = fs.ReadFile(fsys, name)
		return err
	})
	return overlay, err
}
