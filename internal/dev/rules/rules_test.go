// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// good is a tree without findings: two rules, each with code and a test.
var good = repo{
	specFile: `# The protocol

As M101 says.

## 1. First

| table |
|---|

- **M101** An end MUST be ` + "`polite`" + `. It MUST NOT
  *shout*.
- **M102** An end MUST listen.

      formula = **MAC**(x)

## 2. Second

- **M201** It MAY leave.

Prose about M102.
`,
	"a/a.go": `package a

// polite is M101.
func polite() {} // and M102
`,
	"a/a_test.go": `package a

// TestPolite shouts.
//
// M101: It MUST NOT shout.
//
// M102: An end MUST
// listen.
func TestPolite(t *testing.T) {}
`,
	"patches/_overlay/b.go": `package b

/* M201 lets it
go. */
var b int
`,
	"patches/0001-c.patch": `--- a/c.go
+++ b/c.go
@@ -1 +1,2 @@
-// M999 goes
+x := 1 // M101
+"M998"
`,
	"b/b_test.go": `package b

// FuzzLeave leaves.
//
// M201: It MAY leave.
func FuzzLeave(f *testing.F) {}

// helper mentions M201.
func helper() {}
`,
	"third_party/d.go":  "not Go, M997",
	"a/testdata/d.go":   "not Go, M996",
	".git/d.go":         "not Go, M995",
	"README.md":         "See M101.",
	"a/vectors.py":      "# M994",
	"internal/e/doc.go": "// Package e has A100M1 and M1 and M12345.\npackage e\n",
}

// repo is a tree of files.
type repo map[string]string

// with returns the tree with one file more, or another one in its place.
func (r repo) with(name, text string) repo {
	r = maps.Clone(r)
	r[name] = text
	return r
}

// changed returns the tree with part of a file replaced.
func (r repo) changed(name, old, new string) repo {
	if !strings.Contains(r[name], old) {
		panic(name + " lacks " + old)
	}
	return r.with(name, strings.Replace(r[name], old, new, 1))
}

func (r repo) read() (*tree, error) {
	root := make(fstest.MapFS)
	for name, text := range r {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return read(root)
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		repo repo
		want []string
	}{
		{"good", good, nil},
		{"no code", good.changed("patches/_overlay/b.go", "M201", "It"), []string{
			"docs/protocol.md:18: M201 is cited by no code",
		}},
		{"no test", good.with("b/b_test.go", "package b\n"), []string{
			"docs/protocol.md:18: M201 is quoted by no test",
		}},
		{"test mentions only", good.changed("b/b_test.go", "M201: It MAY leave.", "This is M201."), []string{
			"docs/protocol.md:18: M201 is quoted by no test",
		}},
		{"not a test", good.changed("b/b_test.go", "FuzzLeave(f", "Fuzzy(f"), []string{
			"docs/protocol.md:18: M201 is quoted by no test",
		}},
		{"not in front of a test", good.changed("b/b_test.go", "func FuzzLeave", "\nfunc FuzzLeave"), []string{
			"docs/protocol.md:18: M201 is quoted by no test",
		}},
		{"a test is no code", good.changed("patches/_overlay/b.go", "M201", "It").with("c_test.go", "package c // M201\n"), []string{
			"docs/protocol.md:18: M201 is cited by no code",
		}},
		{"a patched test is no code", good.changed("patches/_overlay/b.go", "M201", "It").with("patches/2.patch", "+++ b/c_test.go\n+// M201\n"), []string{
			"docs/protocol.md:18: M201 is cited by no code",
		}},
		{"what a patch leaves is no code", good.changed("patches/_overlay/b.go", "M201", "It").with("patches/2.patch", "+++ b/c.go\n // M201\n"), []string{
			"docs/protocol.md:18: M201 is cited by no code",
		}},
		{"unknown", good.with("c/c.go", "package c\n\n// M103 and\n// M102 and M200.\nvar c int\n"), []string{
			"c/c.go:3: there is no rule M103 in docs/protocol.md",
			"c/c.go:4: there is no rule M200 in docs/protocol.md",
		}},
		{"unknown in a block", good.with("c/c.go", "package c\n\n/*\nM103\n*/\nvar c int\n"), []string{
			"c/c.go:4: there is no rule M103 in docs/protocol.md",
		}},
		{"unknown in a document", good.with("docs/x.md", "a\n\nM103"), []string{
			"docs/x.md:3: there is no rule M103 in docs/protocol.md",
		}},
		{"unknown in a patch", good.with("patches/2.patch", "+++ b/c.go\n+// M103\n"), []string{
			"patches/2.patch:2: there is no rule M103 in docs/protocol.md",
		}},
		{"unknown quoted", good.with("c_test.go", "package c\n\n// M103: Nothing.\nfunc TestC(*testing.T) {}\n"), []string{
			"c_test.go:3: there is no rule M103 in docs/protocol.md",
		}},
		{"twice", good.changed(specFile, "**M201**", "**M102**"), []string{
			"b/b_test.go:5: there is no rule M201 in docs/protocol.md",
			"b/b_test.go:8: there is no rule M201 in docs/protocol.md",
			"docs/protocol.md:18: M102 has two rules, the first at docs/protocol.md:12",
			"patches/_overlay/b.go:3: there is no rule M201 in docs/protocol.md",
		}},
		{"other section", good.changed(specFile, "## 2. Second", "## 3. Third"), []string{
			`docs/protocol.md:18: M201 is in section "3": want M, the section and two digits`,
		}},
		{"short number", good.changed(specFile, "**M201**", "**M21**").changed("b/b_test.go", "M201", "It").
			changed("b/b_test.go", "M201", "it").with("patches/_overlay/b.go", "package b\n"), []string{
			`docs/protocol.md:18: M21 is in section "2": want M, the section and two digits`,
			"docs/protocol.md:18: M21 is cited by no code",
			"docs/protocol.md:18: M21 is quoted by no test",
		}},
		{"bold in prose", good.changed(specFile, "Prose about M102", "Prose about **M102**"), []string{
			"docs/protocol.md:20: M102 is bold, but does not begin an item of a list as rules do",
		}},
		{"rule reworded", good.changed(specFile, "MUST listen", "SHOULD listen"), []string{
			"a/a_test.go:7: M102 is not quoted right; docs/protocol.md:12 has: An end SHOULD listen.",
		}},
		{"half a sentence", good.changed("a/a_test.go", "It MUST NOT shout", "MUST NOT shout"), []string{
			"a/a_test.go:5: M101 is not quoted right; docs/protocol.md:10 has: An end MUST be polite. It MUST NOT shout.",
		}},
		{"without its end", good.changed("b/b_test.go", "M201: It MAY leave.", "M201: It MAY"), []string{
			"b/b_test.go:5: M201 is not quoted right; docs/protocol.md:18 has: It MAY leave.",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree, err := test.repo.read()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range tree.check() {
				got = append(got, f.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		repo repo
		want string // in the error
	}{
		{"no specification", repo{"a.go": "package a\n"}, specFile},
		{"not Go", good.with("c/c.go", "package c\n\nfunc {\n"), "c/c.go:3"},
	} {
		if _, err := test.repo.read(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestList(t *testing.T) {
	tree, err := good.read()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	tree.list(&b)
	const want = `M101 An end MUST be polite. It MUST NOT shout.
	code a/a.go:3
	code patches/0001-c.patch:5
	test a/a_test.go:5
M102 An end MUST listen.
	code a/a.go:4
	test a/a_test.go:7
M201 It MAY leave.
	code patches/_overlay/b.go:3
	test b/b_test.go:5
`
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

// TestRepository: each rule of this repository has code and a test.
func TestRepository(t *testing.T) {
	tree, err := read(os.DirFS("../../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tree.check() {
		t.Error(f)
	}
	if len(tree.rules) == 0 {
		t.Error("no rules")
	}
}
