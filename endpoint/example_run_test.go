// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

// examples move connections. The go command does not check their output, as it would do
// so without the patches, too.
var examples = map[string]func(){
	"Example":             Example,
	"Example_ssh":         Example_ssh,
	"ExampleConn_AddPath": ExampleConn_AddPath,
	"ExampleConn_BindKey": ExampleConn_BindKey,
	"ExampleRoamer":       ExampleRoamer,
}

// TestExamples runs all examples of the package, and compares their output with their
// comments.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("example_*test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Example") {
				continue
			}
			t.Run(fn.Name.Name, func(t *testing.T) {
				example := examples[fn.Name.Name]
				if example == nil {
					t.Fatal("not in the list of examples")
				}
				if err := netstack.Patched(); err != nil {
					t.Skip(err)
				}
				if got, want := printed(t, example), expected(f, fn); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
}

// expected returns the output that the last comment of an example promises.
func expected(f *ast.File, fn *ast.FuncDecl) string {
	var last string
	for _, c := range f.Comments {
		if c.Pos() > fn.Body.Pos() && c.End() < fn.Body.End() {
			last = c.Text()
		}
	}
	_, lines, _ := strings.Cut(last, "Prints, if gVisor has the patches:\n\n")
	return regexp.MustCompile(`(?m)^\t`).ReplaceAllString(lines, "")
}

// printed returns the output of an example.
func printed(t *testing.T, example func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	example()
	os.Stdout = stdout
	w.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}
