// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tree makes the patched gVisor: from the original in the module cache
// to a directory that a go.mod or go.work can point to.
package tree

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/udiff"
)

// Tree is a set of files by slash-separated name.
type Tree = udiff.Tree

// root is the directory whose packages are all kept.
const root = "pkg/tcpip"

// keep lists the files at the top that are kept.
var keep = []string{"go.mod", "go.sum", "LICENSE", "AUTHORS"}

// Verify compares the files of a module, in dir, with its hash from go.sum.
func Verify(dir, module, version, sum string) error {
	have, err := hashDir(dir, module+"@"+version+"/")
	if err != nil {
		return err
	}
	if have != sum {
		return fmt.Errorf("%s is not the original %s@%s: its hash is %s, want %s (go mod verify checks the module cache; go clean -modcache empties it)",
			dir, module, version, have, sum)
	}
	return nil
}

// Load reads pkg/tcpip and the packages that it imports, whatever their build
// constraints. The result is then the same on every platform. "go mod tidy", which
// ignores constraints as well, misses no package.
func Load(dir, module string) (t Tree, err error) {
	fsys := os.DirFS(dir)
	l := loader{fsys: fsys, prefix: module + "/", tree: make(Tree), seen: make(map[string]bool)}
	for _, name := range keep {
		if l.tree[name], err = fs.ReadFile(fsys, name); err != nil {
			return nil, err
		}
	}
	err = fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = l.add(name)
		}
		return err
	})
	for len(l.queue) > 0 && err == nil {
		next := l.queue[0]
		l.queue = l.queue[1:]
		err = l.add(next)
	}
	if err != nil {
		return nil, err
	}
	return l.tree, nil
}

type loader struct {
	fsys   fs.FS
	prefix string // of import paths of the module
	tree   Tree
	seen   map[string]bool
	queue  []string // imported directories, not read yet
}

// add reads the files of a directory.
func (l *loader) add(dir string) error {
	if l.seen[dir] {
		return nil
	}
	l.seen[dir] = true
	entries, err := fs.ReadDir(l.fsys, dir)
	if err != nil {
		return err
	}
	isPackage := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return path.Ext(e.Name()) == ".go" })
	if !isPackage {
		return nil
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.Type().IsRegular() || strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := fs.ReadFile(l.fsys, name)
		if err != nil {
			return err
		}
		l.tree[name] = data
		if path.Ext(name) == ".go" {
			if err := l.imports(name, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// imports queues what a Go file imports from the module.
func (l *loader) imports(name string, data []byte) error {
	paths, err := importsOf(name, data)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if dir, ok := strings.CutPrefix(p, l.prefix); ok {
			l.queue = append(l.queue, dir)
		}
	}
	return nil
}
