// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
)

// trimModules removes modules from go.mod and go.sum that no package of the tree
// imports. gVisor requires more than a hundred for its other packages. "go list -m all"
// would show them to every embedder.
func trimModules(t Tree) error {
	imported, err := imports(t)
	if err != nil {
		return err
	}
	required := requirements(t["go.mod"])
	used := make(map[string]bool)
	for p := range imported {
		// The module is the one with the longest path that leads to the package.
		for p != "." && !required[p] {
			p = path.Dir(p)
		}
		used[p] = true
	}
	drop := func(p string) bool { return required[p] && !used[p] }
	mod := filterLines(t["go.mod"], func(line string) bool { return !drop(requirement(line)) })
	t["go.mod"] = bytes.ReplaceAll(mod, []byte("\nrequire (\n)\n"), nil)
	t["go.sum"] = filterLines(t["go.sum"], func(line string) bool {
		p, _, _ := strings.Cut(line, " ")
		return used[p]
	})
	return nil
}

// imports returns the paths of all packages that the Go files of a tree import,
// whatever their build constraints.
func imports(t Tree) (map[string]bool, error) {
	paths := make(map[string]bool)
	for name, data := range t {
		if path.Ext(name) != ".go" {
			continue
		}
		p, err := importsOf(name, data)
		if err != nil {
			return nil, err
		}
		for _, p := range p {
			paths[p] = true
		}
	}
	return paths, nil
}

// importsOf returns the paths that a Go file imports.
func importsOf(name string, data []byte) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), name, data, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// requirements returns the paths of the modules that a go.mod requires.
func requirements(mod []byte) map[string]bool {
	paths := make(map[string]bool)
	for line := range strings.Lines(string(mod)) {
		if p := requirement(line); p != "" {
			paths[p] = true
		}
	}
	return paths
}

// requirement returns the path of the module that a line of a go.mod requires, or the
// empty string. The line is "path version", in a block, or follows "require". Lines of
// other blocks have another form.
func requirement(line string) string {
	f := strings.Fields(strings.TrimPrefix(line, "require "))
	if len(f) < 2 || !strings.HasPrefix(f[1], "v") || len(f) > 2 && f[2] != "//" {
		return ""
	}
	return f[0]
}

func filterLines(data []byte, keep func(line string) bool) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		if keep(line) {
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}
