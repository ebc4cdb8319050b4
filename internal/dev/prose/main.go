// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Prose checks the countable half of the project's rules for English, which
// CONTRIBUTING.md states, in Markdown files and in the comments of Go files:
//
//	prose [PATH...]
//
// A PATH is a file or a directory with all that is below it. The default is the
// working directory. Each finding is a line of the form "FILE:LINE: KIND: TEXT":
//
//	words    a sentence has more than 25 words
//	columns  a line of Markdown prose has more than 100 columns
//	form     a sentence has a form that the rules exclude
//	link     a relative link leads to no file or to no heading
//
// The checker passes over code, tables, headings, directives, and generated files.
// The exit code is 1 if there are findings, and 2 if a file cannot be read.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	findings, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(2)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// finding is one violation of the rules.
type finding struct {
	file string
	line int
	kind string
	text string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.kind, f.text)
}

// check returns the findings in all files at or below the paths.
func check(paths []string) ([]finding, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var all []finding
	for _, p := range paths {
		// The go command's pattern for a tree means the same here.
		root := filepath.Clean(strings.TrimSuffix(p, "..."))
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if name != root && skipDir(d.Name()) {
					return fs.SkipDir
				}
				return nil
			}
			found, err := checkFile(name)
			all = append(all, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// skipDir reports whether a directory holds nothing that the project wrote. A leading
// underscore does not matter: the overlay of gVisor's half is in such a directory.
func skipDir(name string) bool {
	return strings.HasPrefix(name, ".") || name == "third_party" || name == "testdata" || name == "bin"
}

func checkFile(name string) ([]finding, error) {
	ext := filepath.Ext(name)
	if ext != ".md" && ext != ".go" {
		return nil, nil
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if ext == ".md" {
		return checkMarkdown(name, src), nil
	}
	return checkGo(name, src)
}
