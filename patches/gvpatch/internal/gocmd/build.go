// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package gocmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// NoWork is the go.work of a build that has none.
const NoWork = "off"

// EnvWork returns the go.work that the environment gives to a build in dir, NoWork
// if there is none.
func EnvWork(ctx context.Context, dir string) (string, error) {
	out, err := run(ctx, dir, nil, "env", "GOWORK")
	if err != nil {
		return "", err
	}
	if work := strings.TrimSpace(string(out)); work != "" && work != os.DevNull {
		return work, nil
	}
	return NoWork, nil
}

// Used is what a build takes for a module.
type Used struct {
	Version
	Replace *Replaced // nil if it is taken as it is
}

// Replaced is what is taken in place of a module.
type Replaced struct {
	Version
	Dir string // of its files
}

// Use returns what a build in dir, under a go.work, takes for the module.
func Use(ctx context.Context, dir, work, path string) (*Used, error) {
	// With a vendor directory, the default of -mod is about that.
	out, err := run(ctx, dir, []string{"GOWORK=" + work}, "list", "-mod=readonly", "-m", "-json", path)
	if err != nil {
		return nil, err
	}
	u := new(Used)
	if err := json.Unmarshal(out, u); err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return u, nil
}

// Requirers returns the modules, as "path@version", that require the version in a
// build in dir, under a go.work. The main modules, which have no version, are not
// among them.
func Requirers(ctx context.Context, dir, work string, v Version) ([]string, error) {
	out, err := run(ctx, dir, []string{"GOWORK=" + work}, "mod", "graph")
	if err != nil {
		return nil, err
	}
	var requirers []string
	for line := range strings.Lines(string(out)) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		if to == v.Path+"@"+v.Version && strings.Contains(from, "@") {
			requirers = append(requirers, from)
		}
	}
	return requirers, nil
}
