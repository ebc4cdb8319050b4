// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package gocmd asks the go command about modules.
package gocmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Run runs the go command in dir and returns its standard output. The error holds the
// message of the command.
//
// The command is about one module. It uses no go.work, nor flags that are meant for
// builds.
func Run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return run(ctx, dir, []string{"GOWORK=off", "GOFLAGS="}, args...)
}

func run(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "PWD="+dir), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if msg := strings.TrimSpace(stderr.String()); msg != "" {
			err = errors.New(strings.TrimPrefix(msg, "go: "))
		}
		return stdout.Bytes(), fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return stdout.Bytes(), nil
}

// Module is a module in the module cache.
type Module struct {
	Path, Version string
	Dir           string // of its files, read-only
	Sum           string // as in go.sum
}

// Download returns a module of the module cache, and downloads it if it is not there.
// The checksum database confirms it, unless the caller knows the sum and compares.
// Without a go.sum, the go command would ask the network for the sum even of a module
// in the cache.
func Download(ctx context.Context, path, version string, sumKnown bool) (Module, error) {
	// Away from any go.mod, whose replacements and faults must not matter.
	dir, err := os.MkdirTemp("", "gvpatch-")
	if err != nil {
		return Module{}, err
	}
	defer os.RemoveAll(dir)
	env := []string{"GOWORK=off", "GOFLAGS="}
	if sumKnown {
		env = append(env, "GONOSUMDB="+path)
	}
	out, err := run(ctx, dir, env, "mod", "download", "-json", path+"@"+version)
	var m struct {
		Module
		Error string
	}
	if jsonErr := json.Unmarshal(out, &m); jsonErr != nil && err == nil {
		err = jsonErr
	}
	if m.Error != "" {
		// Says more than the exit code.
		err = errors.New(m.Error)
	}
	if err != nil {
		return Module{}, fmt.Errorf("get %s@%s: %w\n(if it isn't in the module cache, this needs the network, or a proxy: go env GOPROXY)", path, version, err)
	}
	return m.Module, nil
}

// Install builds a command, named as package@version, into dir and returns the name
// of the binary.
func Install(ctx context.Context, dir, command string) (string, error) {
	if _, err := run(ctx, dir, []string{"GOWORK=off", "GOFLAGS=", "GOBIN=" + dir}, "install", command); err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(path.Base(command), "@")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name), nil
}

// ModFile holds the parts of a go.mod or go.work file that gvpatch needs.
type ModFile struct {
	Name    string `json:"-"` // of the file
	Module  struct{ Path string }
	Go      string
	Require []Version
	Replace []Replace
}

// Replace is a replace directive.
type Replace struct{ Old, New Version }

// Version is a module with its version.
type Version struct{ Path, Version string }

// String returns "path version", or the path of a directory.
func (v Version) String() string { return strings.TrimSpace(v.Path + " " + v.Version) }

// MainModule reads the go.mod of the module that dir is in.
func MainModule(ctx context.Context, dir string) (*ModFile, error) {
	out, err := Run(ctx, dir, "env", "GOMOD")
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(string(out))
	if name == "" || name == os.DevNull {
		return nil, fmt.Errorf("%s is not in a module: there is no go.mod", dir)
	}
	return read(ctx, "mod", name)
}

// WorkFile reads a go.work file.
func WorkFile(ctx context.Context, name string) (*ModFile, error) {
	return read(ctx, "work", name)
}

func read(ctx context.Context, kind, name string) (*ModFile, error) {
	out, err := Run(ctx, filepath.Dir(name), kind, "edit", "-json", name)
	if err != nil {
		return nil, err
	}
	f := &ModFile{Name: name}
	if err := json.Unmarshal(out, f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Root returns the directory of the file.
func (f *ModFile) Root() string { return filepath.Dir(f.Name) }

// Replacements returns the replace directives for the module.
func (f *ModFile) Replacements(path string) []Replace {
	return slices.DeleteFunc(slices.Clone(f.Replace), func(r Replace) bool { return r.Old.Path != path })
}

// Required returns the version of the module that the file requires, or the empty
// string.
func (f *ModFile) Required(path string) string {
	for _, r := range f.Require {
		if r.Path == path {
			return r.Version
		}
	}
	return ""
}
