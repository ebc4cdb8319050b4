// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// tree is the rules of a repository, and the places that cite them.
type tree struct {
	rules     []rule
	citations []citation
	malformed []finding // in the specification
}

// finding is something that is wrong.
type finding struct {
	place
	what string
}

func (f finding) String() string { return fmt.Sprintf("%v: %s", f.place, f.what) }

// read reads the specification and everything that may cite it.
func read(root fs.FS) (*tree, error) {
	spec, err := fs.ReadFile(root, specFile)
	if err != nil {
		return nil, err
	}
	t := &tree{}
	t.rules, t.malformed = parseSpec(specFile, string(spec))
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped(d.Name()):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		found, err := readFile(root, name)
		t.citations = append(t.citations, found...)
		return err
	})
	return t, err
}

// skipped reports whether a directory has nothing that cites. Directories that begin
// with an underscore are read: the overlay of gVisor's tree is in one.
func skipped(dir string) bool {
	return dir == "third_party" || dir == "testdata" || dir == "vendor" || dir != "." && strings.HasPrefix(dir, ".")
}

func readFile(root fs.FS, name string) ([]citation, error) {
	parse := map[string]func(file, text string) ([]citation, error){
		".go":    citeGo,
		".patch": func(file, text string) ([]citation, error) { return citePatch(file, text), nil },
		".md":    func(file, text string) ([]citation, error) { return citeText(file, text), nil },
	}[path.Ext(name)]
	if parse == nil {
		return nil, nil
	}
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	return parse(name, string(b))
}

// places returns where each rule is implemented and where it is guarded.
func (t *tree) places() (implemented, guarded map[string][]place) {
	implemented, guarded = make(map[string][]place), make(map[string][]place)
	for _, c := range t.citations {
		switch c.kind {
		case code:
			implemented[c.name] = append(implemented[c.name], c.place)
		case guard:
			guarded[c.name] = append(guarded[c.name], c.place)
		}
	}
	return implemented, guarded
}

// check returns the findings in the order of files and lines.
func (t *tree) check() []finding {
	findings := slices.Clone(t.malformed)
	report := func(at place, format string, args ...any) {
		findings = append(findings, finding{at, fmt.Sprintf(format, args...)})
	}
	implemented, guarded := t.places()
	byName := make(map[string]rule)
	for _, r := range t.rules {
		if first, ok := byName[r.name]; ok {
			report(r.place, "%s has two rules, the first at %v", r.name, first.place)
			continue
		}
		byName[r.name] = r
		if !ruleName.MatchString(r.name) || r.name[1:2] != r.section {
			report(r.place, "%s is in section %q: want M, the section and two digits", r.name, r.section)
		}
		if len(implemented[r.name]) == 0 {
			report(r.place, "%s is cited by no code", r.name)
		}
		if len(guarded[r.name]) == 0 {
			report(r.place, "%s is quoted by no test", r.name)
		}
	}
	for _, c := range t.citations {
		r, ok := byName[c.name]
		switch {
		case !ok:
			report(c.place, "there is no rule %s in %s", c.name, specFile)
		case c.kind == guard && !quotes(c.quote, r.text):
			report(c.place, "%s is not quoted right; %v has: %s", c.name, r.place, r.text)
		}
	}
	slices.SortStableFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	return findings
}

// quotes reports whether quote is a run of whole sentences of text.
func quotes(quote, text string) bool {
	before, _, ok := strings.Cut(text, quote)
	return ok && strings.HasSuffix(quote, ".") && (before == "" || strings.HasSuffix(before, ". "))
}
