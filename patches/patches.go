// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package patches holds the changes that let gVisor's TCP migrate connections, and
// names the gVisor that they are made for. The program in gvpatch applies them.
package patches

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
)

//go:embed *.patch pin.json all:_overlay
var files embed.FS

// Series is a set of changes to gVisor: patches of its files, and files of its own.
type Series struct {
	Patches []Patch           // in the order in which they apply: fixes, then hooks
	Overlay map[string][]byte // new files, by their slash-separated name in gVisor
}

// Patch is one patch of the series, in the format of git format-patch.
type Patch struct {
	Name string // of the file, "0001-tcp-....patch"
	Data []byte
}

// Kind says what a patch is for.
type Kind string

// Kinds of patches.
const (
	Fix  Kind = "fix"  // corrects plain TCP; builds without the overlay
	Hook Kind = "hook" // calls the overlay; builds only with it and all hooks
)

// FirstHook is the number of the first hook. Fixes have numbers below it.
const FirstHook = 101

// Kind returns the purpose of the patch, which its number says.
func (p Patch) Kind() Kind {
	if p.Name < fmt.Sprintf("%04d-", FirstHook) {
		return Fix
	}
	return Hook
}

// Of returns the patches of a kind, in order.
func (s Series) Of(k Kind) []Patch {
	var patches []Patch
	for _, p := range s.Patches {
		if p.Kind() == k {
			patches = append(patches, p)
		}
	}
	return patches
}

// Hash returns a hash of the names and contents of the series, in hexadecimal.
func (s Series) Hash() string {
	h := sha256.New()
	for _, p := range s.Patches {
		fmt.Fprintf(h, "%x  %s\n", sha256.Sum256(p.Data), p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Overlay)) {
		fmt.Fprintf(h, "%x  %s/%s\n", sha256.Sum256(s.Overlay[name]), OverlayDir, name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Pin names the gVisor that a series is made for, and the tree that it makes.
type Pin struct {
	Module  string `json:"module"`  // path of gVisor's module
	Version string `json:"version"` // of the module, of its generated "go" branch
	Sum     string `json:"sum"`     // of the module's files, as in go.sum
	Tree    string `json:"tree"`    // of the files that gvpatch writes, in the same notation
}

var load = sync.OnceValues(func() (Series, Pin) {
	series, pin, err := Parse(files)
	if err != nil {
		panic(err) // this package was built with a broken series; its test says so
	}
	return series, pin
})

// Embedded returns the series that this program was built with. Callers must not change
// the contents of its files, which are shared.
func Embedded() Series {
	s, _ := load()
	return Series{Patches: slices.Clone(s.Patches), Overlay: maps.Clone(s.Overlay)}
}

// Pinned returns the pin of that series.
func Pinned() Pin {
	_, pin := load()
	return pin
}
