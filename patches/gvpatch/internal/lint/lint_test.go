// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

func TestParse(t *testing.T) {
	const out = `# m/pkg/a
pkg/a/a.go:12:3: unlocked (locks: &({param:e}.mu))
./pkg/a/b.go:7: no column
	more about it
-: nowhere
vet: pkg/a/c.go:1:1: of vet itself
../../elsewhere/gv/pkg/a/d.go:5:6: from a cache (U1000)
go: downloading m v1.0.0
panic: something
`
	findings, other := Tool{Name: "x"}.parse("/tmp/here/gv", out)
	want := []Finding{
		{"x", "pkg/a/a.go", "12:3", "unlocked (locks: &({param:e}.mu))"},
		{"x", "pkg/a/b.go", "7", "no column"},
		{"x", "-", "", "nowhere"},
		{"x", "pkg/a/c.go", "1:1", "of vet itself"},
		{"x", "pkg/a/d.go", "5:6", "from a cache (U1000)"},
	}
	if !slices.Equal(findings, want) {
		t.Errorf("findings:\n%q\nwant\n%q", findings, want)
	}
	if other != "panic: something\n" {
		t.Errorf("other output %q", other)
	}
}

func TestNew(t *testing.T) {
	known := []Finding{
		{"x", "a.go", "1:1", "unused"},
		{"x", "a.go", "2:1", "locks: &(0x1ab.mu) exclusively, e.mu, 98% of the time"},
	}
	tests := []struct {
		name string
		have []Finding
		want int // findings at the end of have
	}{
		{"none", nil, 0},
		{"the same", known, 0},
		{"lines moved", []Finding{{"x", "a.go", "9:1", "unused"}}, 0},
		{"numbers and order differ", []Finding{{"x", "a.go", "2:1", "locks: e.mu, &(0xfe.mu) exclusively, 99% of the time"}}, 0},
		{"once more", append(slices.Clone(known), Finding{"x", "a.go", "3:1", "unused"}), 1},
		{"other file", []Finding{{"x", "b.go", "1:1", "unused"}}, 1},
		{"other tool", []Finding{{"y", "a.go", "1:1", "unused"}}, 1},
		{"other text", []Finding{{"x", "a.go", "1:1", "unlocked"}}, 1},
	}
	for _, tt := range tests {
		if have, want := New(tt.have, known), tt.have[len(tt.have)-tt.want:]; !slices.Equal(have, want) {
			t.Errorf("%s: %q, want %q", tt.name, have, want)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	vet := Tool{"vet", []string{"go", "vet"}}
	put("go.mod", "module m\n\ngo 1.26\n")
	put("a.go", "package m\n")
	if findings, err := vet.Run(t.Context(), dir, "./..."); len(findings) > 0 || err != nil {
		t.Errorf("%q, %v, want nothing", findings, err)
	}
	put("a.go", "package m\n\nimport \"fmt\"\n\nfunc f() { fmt.Printf(\"%d\", \"x\") }\n")
	findings, err := vet.Run(t.Context(), dir, "./...")
	if err != nil || len(findings) != 1 || findings[0].File != "a.go" || !strings.Contains(findings[0].Text, "Printf") {
		t.Errorf("%q, %v, want the Printf", findings, err)
	}
	if _, err := vet.Run(t.Context(), dir, "./none"); err == nil {
		t.Error("a package that is not there is no error")
	}
	if _, err := (Tool{"none", []string{filepath.Join(dir, "none")}}).Run(t.Context(), dir); err == nil {
		t.Error("a tool that is not there is no error")
	}
}

func TestGofmt(t *testing.T) {
	findings := Gofmt(tree.Tree{
		"good.go":   []byte("package a\n"),
		"bad.go":    []byte("package  a\n"),
		"broken.go": []byte("package\n"),
		"README.md": []byte("package  a\n"),
	})
	var names []string
	for _, f := range findings {
		names = append(names, f.File)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"bad.go", "broken.go"}) {
		t.Errorf("findings %q", findings)
	}
}
