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

// NoWork stands for a build without a go.work.
const NoWork = "off"

// EnvWork returns the path of the go.work that a build in dir uses by its environment,
// or NoWork.
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

// Used is the module that a build uses under a path.
type Used struct {
	Version
	Replace *Replaced // nil if it is taken as it is
}

// Replaced is the module or the directory that takes the place of a module.
type Replaced struct {
	Version
	Dir string // of its files
}

// Use returns the module that a build in dir, with a go.work, uses under a path.
func Use(ctx context.Context, dir, work, path string) (*Used, error) {
	// A vendor directory changes the default of -mod.
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

// Requirers returns the modules, as "path@version", that require the version v in a
// build in dir, with a go.work. A main module has no version, and counts in a workspace
// only: the go.mod of a single one repeats the requirements of its dependencies.
func Requirers(ctx context.Context, dir, work string, v Version) ([]string, error) {
	out, err := run(ctx, dir, []string{"GOWORK=" + work}, "mod", "graph")
	if err != nil {
		return nil, err
	}
	var requirers []string
	for line := range strings.Lines(string(out)) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		isMain := !strings.Contains(from, "@")
		if to == v.Path+"@"+v.Version && (!isMain || work != NoWork) {
			requirers = append(requirers, from)
		}
	}
	return requirers, nil
}
