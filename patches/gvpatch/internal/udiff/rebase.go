// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package udiff

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"strings"
)

// Rebase applies the patch to t, where hunks may have moved by any number of
// lines, and returns the patch as it has to be to apply exactly. The results
// tell about each hunk, also if there is an error; t is unchanged then.
func (p *Patch) Rebase(t Tree) (rebased []byte, results []Result, err error) {
	before := make(Tree)
	for _, f := range p.Files {
		if data, ok := t[f.Name()]; ok {
			before[f.Name()] = data
		}
	}
	results, err = p.apply(t, anywhere)
	if err != nil {
		return nil, results, err
	}
	lines := append([]string(nil), p.lines...)
	r := results
	for _, f := range p.Files {
		for _, h := range f.Hunks {
			lines[h.header] = fmt.Sprintf("@@ -%s +%s @@%s\n",
				span(h.OldStart+r[0].Offset, h.OldLines), span(h.NewStart+r[0].Offset, h.NewLines), h.section)
			r = r[1:]
		}
		if f.index >= 0 {
			lines[f.index] = indexLine(lines[f.index], before, t, f)
		}
	}
	return []byte(strings.Join(lines, "")), results, nil
}

func span(start, n int) string {
	if n == 1 {
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, n)
}

// indexLine returns the line with the abbreviated git blob names of the file
// before and after, as long as they were.
func indexLine(line string, before, after Tree, f *File) string {
	hashes, mode, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "index "), " ")
	old, _, _ := strings.Cut(hashes, "..")
	n := min(len(old), sha1.Size*2)
	s := "index " + blobName(before, f.Old)[:n] + ".." + blobName(after, f.New)[:n]
	if mode != "" {
		s += " " + mode
	}
	return s + "\n"
}

// blobName returns the name that git gives to the content of a file.
func blobName(t Tree, name string) string {
	if name == "" {
		return strings.Repeat("0", sha1.Size*2)
	}
	data := t[name]
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))
}

// anywhere is the locate of Rebase: the match nearest to pos, not before from.
func anywhere(lines []string, h *Hunk, from, pos int) (int, error) {
	old := h.Old()
	if len(old) == 0 {
		// Nothing to look for: a new file, or a patch without context.
		if pos < from || pos > len(lines) {
			return 0, errors.New("the place is gone, and there is no context to find it by")
		}
		return pos, nil
	}
	best, bestEqual := -1, 0
	for at := from; at+len(old) <= len(lines); at++ {
		n := equal(lines[at:], old)
		if best < 0 || n > bestEqual || n == bestEqual && distance(at, pos) < distance(best, pos) {
			best, bestEqual = at, n
		}
	}
	switch {
	case best >= 0 && bestEqual == len(old):
		return best, nil
	case bestEqual == 0:
		return 0, errors.New("nothing like it is left in the file")
	}
	return 0, fmt.Errorf("no match; nearest at line %d, %d of %d lines equal:\n%s",
		best+1, bestEqual, len(old), differences(lines, old, best))
}

func equal(lines, want []string) int {
	n := 0
	for i, w := range want {
		if lines[i] == w {
			n++
		}
	}
	return n
}

func distance(a, b int) int { return max(a-b, b-a) }
