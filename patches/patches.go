// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package patches holds the series of patches that teach gVisor's TCP to
// migrate connections, and says which gVisor it is made for. The program in
// gvpatch applies it.
package patches

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

//go:embed *.patch pin.json
var files embed.FS

// Patch is one patch of the series, in the format of git format-patch.
type Patch struct {
	Name string // of the file, "0001-tcp-....patch"
	Data []byte
}

// Pin says what the series is made for and what it makes of it.
type Pin struct {
	Module  string `json:"module"`  // path of gVisor's module
	Version string `json:"version"` // of the module, of its generated "go" branch
	Sum     string `json:"sum"`     // of the module's files, as in go.sum
	Tree    string `json:"tree"`    // of the files that gvpatch writes, in the same notation
}

var load = sync.OnceValues(func() ([]Patch, Pin) {
	series, pin, err := parse(files)
	if err != nil {
		panic(err) // this package was built with a broken series; its test says so
	}
	return series, pin
})

// Series returns the patches in the order in which they apply.
func Series() []Patch {
	series, _ := load()
	return append([]Patch(nil), series...)
}

// Pinned returns what the series is made for.
func Pinned() Pin {
	_, pin := load()
	return pin
}

// Hash returns a hash of the names and contents of the series, in hexadecimal.
func Hash() string { return HashOf(Series()) }

// HashOf is [Hash] for any series.
func HashOf(series []Patch) string {
	h := sha256.New()
	for _, p := range series {
		fmt.Fprintf(h, "%x  %s\n", sha256.Sum256(p.Data), p.Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// parse reads a series and checks that it is numbered 0001, 0002, ... without
// a gap: two patches of the same number come from two branches that were never
// put in order.
func parse(fsys fs.FS) ([]Patch, Pin, error) {
	var pin Pin
	data, err := fs.ReadFile(fsys, "pin.json")
	if err != nil {
		return nil, pin, fmt.Errorf("patches: %w", err)
	}
	if err := json.Unmarshal(data, &pin); err != nil {
		return nil, pin, fmt.Errorf("patches: pin.json: %w", err)
	}
	names, err := fs.Glob(fsys, "*.patch") // sorted
	if err != nil {
		return nil, pin, fmt.Errorf("patches: %w", err)
	}
	var series []Patch
	for i, name := range names {
		if want := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(name, want) {
			return nil, pin, fmt.Errorf("patches: %s: want a name that starts with %s", name, want)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, pin, fmt.Errorf("patches: %w", err)
		}
		series = append(series, Patch{Name: name, Data: data})
	}
	return series, pin, nil
}
