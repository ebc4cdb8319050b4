// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package udiff

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

const (
	createN = "diff --git a/n b/n\nnew file mode 100644\nindex 0000000..e69de29\n--- /dev/null\n+++ b/n\n@@ -0,0 +1,2 @@\n+a\n+b\n"
	deleteD = "diff --git a/d b/d\ndeleted file mode 100644\nindex e69de29..0000000\n--- a/d\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n"
	noEOL   = "\\ No newline at end of file\n"
)

func TestApply(t *testing.T) {
	tests := []struct {
		name, patch  string
		before, want map[string]string
	}{
		{"change", changeB, m("dir/abc", "a\nb\nc\n"), m("dir/abc", "a\nB\nc\n")},
		{"others stay", changeB, m("dir/abc", "a\nb\nc\nd\n", "x", "y"), m("dir/abc", "a\nB\nc\nd\n", "x", "y")},
		{"create", createN, m(), m("n", "a\nb\n")},
		{"create empty", "diff --git a/n b/n\nnew file mode 100644\n", m(), m("n", "")},
		{"delete", deleteD, m("d", "a\nb\n", "x", ""), m("x", "")},
		{"delete empty", "diff --git a/d b/d\ndeleted file mode 100644\n", m("d", ""), m()},
		{"insert at the top", file + "@@ -0,0 +1 @@\n+0\n", m("x", "a\n"), m("x", "0\na\n")},
		{"insert without context", file + "@@ -1,0 +2 @@\n+b\n", m("x", "a\nc\n"), m("x", "a\nb\nc\n")},
		{"append", file + "@@ -2 +2,2 @@\n b\n+c\n", m("x", "a\nb\n"), m("x", "a\nb\nc\n")},
		{"empty the file", file + "@@ -1 +0,0 @@\n-a\n", m("x", "a\n"), m("x", "")},
		{"two hunks", file + "@@ -1 +1,2 @@\n-a\n+A\n+AA\n@@ -3 +4 @@\n-c\n+C\n", m("x", "a\nb\nc\n"), m("x", "A\nAA\nb\nC\n")},
		{"two files", changeB + createN, m("dir/abc", "a\nb\nc\n"), m("dir/abc", "a\nB\nc\n", "n", "a\nb\n")},
		{"lose the last newline", file + "@@ -1 +1 @@\n-a\n+a\n" + noEOL, m("x", "a\n"), m("x", "a")},
		{"gain the last newline", file + "@@ -1 +1 @@\n-a\n" + noEOL + "+a\n", m("x", "a"), m("x", "a\n")},
		{"never a newline", file + "@@ -1,2 +1,2 @@\n-a\n+A\n b\n" + noEOL, m("x", "a\nb"), m("x", "A\nb")},
		{"carriage returns stay", file + "@@ -1 +1 @@\n-a\r\n+b\r\n", m("x", "a\r\nc\r\n"), m("x", "b\r\nc\r\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have := tree(tt.before)
			if err := parse(t, tt.patch).Apply(have); err != nil {
				t.Fatal(err)
			}
			expect(t, have, tt.want)
		})
	}
}

func TestApplyFails(t *testing.T) {
	abc := m("dir/abc", "a\nb\nc\n")
	tests := []struct {
		name, patch string
		before      map[string]string
		hunk        int
		want        string
	}{
		{"no such file", changeB, m(), 0, "no such file"},
		{"already there", createN, m("n", ""), 0, "it is there"},
		{"other line", changeB, m("dir/abc", "a\nx\nc\n"), 1, "line 2: want \"b\\n\"\n          have \"x\\n\""},
		{"other context", changeB, m("dir/abc", "a\nb\nx\n"), 1, "line 3: want \"c\\n\""},
		{"moved", changeB, m("dir/abc", "new\na\nb\nc\n"), 1, "line 1: want \"a\\n\""},
		{"too short", changeB, m("dir/abc", "a\nb\n"), 1, "have the end of the file"},
		{"applied already", changeB, m("dir/abc", "a\nB\nc\n"), 1, "line 2"},
		{"missing newline", changeB, m("dir/abc", "a\nb\nc"), 1, "want \"c\\n\"\n          have \"c\""},
		{"unexpected newline", file + "@@ -1 +1 @@\n-a\n" + noEOL + "+b\n", m("x", "a\n"), 1, "want \"a\"\n          have \"a\\n\""},
		{"more follows", file + "@@ -1 +1 @@\n-a\n+b\n" + noEOL, m("x", "a\nc\n"), 1, "it goes on"},
		{"behind the end", file + "@@ -9,0 +10 @@\n+b\n", m("x", "a\n"), 1, "has 1 lines"},
		{"delete part", deleteD, m("d", "a\nb\nc\n"), 0, "doesn't list all its lines"},
		{"second hunk", file + "@@ -1 +1 @@\n-a\n+A\n@@ -3 +3 @@\n-c\n+C\n", m("x", "a\nb\nx\n"), 2, "line 3"},
		{"second file", changeB + deleteD, abc, 0, "no such file"},
		{"many differences", file + "@@ -1,7 +1 @@\n-1\n-2\n-3\n-4\n-5\n-6\n 7\n", m("x", strings.Repeat("x\n", 7)), 1, "..."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			have := tree(tt.before)
			err := parse(t, tt.patch).Apply(have)
			var e *ApplyError
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an ApplyError", err)
			}
			if e.Patch != "p" || e.Hunk != tt.hunk || !strings.Contains(e.Msg, tt.want) {
				t.Errorf("error:\n%v\nwant hunk %d and\n%s", err, tt.hunk, tt.want)
			}
			expect(t, have, tt.before)
		})
	}
}

// m makes a map of names and contents.
func m(nameContent ...string) map[string]string {
	r := make(map[string]string)
	for i := 0; i < len(nameContent); i += 2 {
		r[nameContent[i]] = nameContent[i+1]
	}
	return r
}

func tree(files map[string]string) Tree {
	t := make(Tree)
	for name, s := range files {
		t[name] = []byte(s)
	}
	return t
}

func expect(t *testing.T, have Tree, want map[string]string) {
	t.Helper()
	h := make(map[string]string)
	for name, data := range have {
		h[name] = string(data)
	}
	if !maps.Equal(h, want) {
		t.Errorf("have %q, want %q", h, want)
	}
}
