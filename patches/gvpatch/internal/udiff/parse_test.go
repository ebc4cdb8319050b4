// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package udiff

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

// changeB turns line b of abc into B, as git format-patch writes it.
const changeB = `From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A <a@example.org>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH] dir: change b, with a subject that is folded over
 two lines

Why.
---
 dir/abc | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/dir/abc b/dir/abc
index de98044..7be73ce 100644
--- a/dir/abc
+++ b/dir/abc
@@ -1,3 +1,3 @@ func
 a
-b
+B
 c
`

func parse(t testing.TB, text string) *Patch {
	t.Helper()
	p, err := Parse("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	for _, tail := range []string{"", "\n", "-- \n2.50.0\n\n"} {
		p := parse(t, changeB+tail)
		if want := "dir: change b, with a subject that is folded over two lines"; p.Subject != want {
			t.Errorf("subject %q, want %q", p.Subject, want)
		}
		if p.Body != "Why.\n" {
			t.Errorf("body %q", p.Body)
		}
		if len(p.Files) != 1 || p.Files[0].Name() != "dir/abc" || len(p.Files[0].Hunks) != 1 {
			t.Fatalf("files: %+v", p.Files)
		}
		h := p.Files[0].Hunks[0]
		if old, now := strings.Join(h.Old(), ""), strings.Join(h.New(), ""); old != "a\nb\nc\n" || now != "a\nB\nc\n" {
			t.Errorf("hunk: old %q, new %q", old, now)
		}
	}
}

// file is the header of a patch to the file x.
const file = "diff --git a/x b/x\n--- a/x\n+++ b/x\n"

func TestParseMalformed(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		want       string
	}{
		{"empty", "", 1, `no "diff --git" line`},
		{"no diff", "Subject: x\n\n---\n", 3, `no "diff --git" line`},
		{"text between files", file + "@@ -1 +1 @@\n-a\n+b\nhello\n", 7, `want "diff --git"`},
		{"names missing", "diff --git x\n", 1, `want "diff --git a/NAME b/NAME"`},
		{"quoted", "diff --git \"a/\\303\\244\" \"b/\\303\\244\"\n", 1, "without quotes"},
		{"rename", "diff --git a/x b/y\nsimilarity index 100%\n", 1, "renames"},
		{"parent", "diff --git a/../x b/../x\n", 1, "not the name of a file"},
		{"absolute", "diff --git a//etc/x b//etc/x\n", 1, "not the name of a file"},
		{"backslash", "diff --git a/..\\x b/..\\x\n", 1, "not the name of a file"},
		{"executable", "diff --git a/x b/x\nnew file mode 100755\n", 2, "mode 100755"},
		{"mode change", "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n", 2, `"old mode" is not supported`},
		{"binary", "diff --git a/x b/x\nindex 1..2 100644\nGIT binary patch\n", 3, "GIT binary patch"},
		{"new and deleted", "diff --git a/x b/x\nnew file mode 100644\ndeleted file mode 100644\n", 3, "both new and deleted"},
		{"nothing done", "diff --git a/x b/x\nindex 1..2 100644\n", 2, "nothing is done"},
		{"no hunk", file, 3, "no hunk for x"},
		{"other old name", "diff --git a/x b/x\n--- a/y\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", 2, `want "--- a/x"`},
		{"other new name", "diff --git a/x b/x\n--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n", 3, `want "+++ b/x"`},
		{"new file with old name", "diff --git a/x b/x\nnew file mode 100644\n--- a/x\n", 3, `want "--- /dev/null"`},
		{"hunk header", file + "@@ -1 +1\n", 4, "want \"@@"},
		{"huge number", file + "@@ -99999999999999999999 +1 @@\n", 4, "not a line number"},
		{"hunk cut off", file + "@@ -1,2 +1,2 @@\n-a\n+b\n", 6, "1 old and 1 new lines are missing"},
		{"hunk cut by a file", file + "@@ -1,2 +1,2 @@\n-a\n+b\ndiff --git a/y b/y\n", 7, "1 old and 1 new lines are missing"},
		{"hunk too long", file + "@@ -1 +1,2 @@\n-a\n-b\n", 6, "more lines than"},
		{"line cut off", file + "@@ -1 +1 @@\n-a\n+b", 6, "ends within a line"},
		{"stripped space", file + "@@ -1,3 +1,3 @@\n-a\n+b\n\n c\n", 7, "cut off the space"},
		{"line 0", file + "@@ -0,1 +0,1 @@\n-a\n+b\n", 4, "line numbers"},
		{"overlap", file + "@@ -1,2 +1,2 @@\n a\n-b\n+c\n@@ -2 +2 @@\n-b\n+d\n", 8, "line numbers"},
		{"new numbers off", file + "@@ -1 +1,2 @@\n-a\n+b\n+c\n@@ -9 +9 @@\n-i\n+j\n", 8, "line numbers"},
		{"new file with old lines", "diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", 5, "a new file has old lines"},
		{"deleted file with new lines", "diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n", 5, "a deleted file keeps lines"},
		{"no newline in the middle", file + "@@ -1,2 +1 @@\n-a\n\\ No newline at end of file\n b\n", 4, "without a newline"},
		{"twice", file + "@@ -1 +1 @@\n-a\n+b\n" + file + "@@ -1 +1 @@\n-b\n+c\n", 7, "x comes twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p", []byte(tt.text))
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("error %v, want a SyntaxError", err)
			}
			if s.Line != tt.line || !strings.Contains(s.Msg, tt.want) {
				t.Errorf("error %q, want line %d and %q", s, tt.line, tt.want)
			}
		})
	}
}

// FuzzParse checks that each patch that parses also applies, and turns the old files of
// its hunks into the new ones.
func FuzzParse(f *testing.F) {
	f.Add([]byte(changeB))
	f.Add([]byte("diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+a\n\\ No newline at end of file\n"))
	f.Add([]byte("diff --git a/d b/d\ndeleted file mode 100644\n--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"))
	f.Add([]byte(file + "@@ -0,0 +1 @@\n+a\n@@ -3 +4,0 @@\n-b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("p", text)
		if err != nil {
			return
		}
		before, after, ok := describe(p)
		if !ok {
			t.Skip("a file of too many lines")
		}
		have := maps.Clone(before)
		if err := p.Apply(have); err != nil {
			t.Fatalf("%v\nbefore: %q", err, before)
		}
		if len(have) != len(after) {
			t.Errorf("have %q, want %q", have, after)
		}
		for name := range after {
			if string(have[name]) != string(after[name]) {
				t.Errorf("%s: have %q, want %q", name, have[name], after[name])
			}
		}
	})
}

// describe returns files that p applies to, and the result. It returns false if they
// would be long.
func describe(p *Patch) (before, after Tree, ok bool) {
	const maxFill = 1 << 10
	before, after = make(Tree), make(Tree)
	for _, f := range p.Files {
		var old, now strings.Builder
		line := 0
		for _, h := range f.Hunks {
			pos, _ := h.pos()
			if pos > maxFill {
				return nil, nil, false
			}
			fill := strings.Repeat("filler\n", pos-line)
			old.WriteString(fill + strings.Join(h.Old(), ""))
			now.WriteString(fill + strings.Join(h.New(), ""))
			line = pos + h.OldLines
		}
		if f.Old != "" {
			before[f.Name()] = []byte(old.String())
		}
		if f.New != "" {
			after[f.Name()] = []byte(now.String())
		}
	}
	return before, after, true
}
