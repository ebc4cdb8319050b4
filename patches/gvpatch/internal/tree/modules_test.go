// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import "testing"

func TestTrimModules(t *testing.T) {
	const sums = "a.org/a v1.0.0 h1:a=\na.org/a v1.0.0/go.mod h1:b=\n"
	have := Tree{
		"go.mod": []byte(`module m

go 1.26

require (
	a.org/a v1.0.0
	a.org/a/nested v1.2.0
	b.org/b v1.0.0
	c.org/c v0.0.0-20260101000000-0123456789ab // indirect
)

require (
	d.org/d v1.0.0 // indirect
)

require e.org/e/v2 v2.0.0

replace b.org/b => ../b

exclude f.org/f v1.0.0
`),
		"go.sum": []byte(sums + "a.org/a/nested v1.2.0 h1:c=\nb.org/b v1.0.0 h1:d=\nd.org/d v1.0.0 h1:e=\n"),
		"a.go":   []byte("package m\n\nimport (\n\t\"fmt\"\n\n\t_ \"a.org/a/pkg/x\"\n\t_ \"m/pkg/y\"\n)\n"),
		"b.go":   []byte("//go:build never\n\npackage m\n\nimport _ \"e.org/e/v2\"\nimport _ \"c.org/c\"\n"),
		"b.s":    []byte("// import _ \"d.org/d\"\n"),
	}
	if err := trimModules(have); err != nil {
		t.Fatal(err)
	}
	const want = `module m

go 1.26

require (
	a.org/a v1.0.0
	c.org/c v0.0.0-20260101000000-0123456789ab // indirect
)

require e.org/e/v2 v2.0.0

replace b.org/b => ../b

exclude f.org/f v1.0.0
`
	if s := string(have["go.mod"]); s != want {
		t.Errorf("go.mod:\n%s\nwant\n%s", s, want)
	}
	if s := string(have["go.sum"]); s != sums {
		t.Errorf("go.sum:\n%s\nwant\n%s", s, sums)
	}
}
