// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package udiff reads patches in the format of git format-patch and applies them to
// files in memory. Context must match exactly, at the line that the patch names.
// Renames, modes, binary files and quoted names are errors.
package udiff

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// maxLines bounds a line count in a hunk header, so that sums can't overflow.
const maxLines = 1 << 30

// Patch is a patch of any number of files.
type Patch struct {
	Name    string // for messages
	Subject string // of the commit, without "[PATCH]"; empty if there is none
	Body    string // of the commit's message, with a newline at its end; may be empty
	Files   []*File
}

// File is the change of a patch to one file.
type File struct {
	Old string // slash-separated name; empty if the patch creates the file
	New string // empty if the patch deletes it

	Hunks []*Hunk
}

// Name returns the name of the file.
func (f *File) Name() string {
	if f.New == "" {
		return f.Old
	}
	return f.New
}

// Hunk is one changed place. Line numbers count from 1.
type Hunk struct {
	OldStart, OldLines int
	NewStart, NewLines int
	Lines              []Line

	header int // position of the "@@" line in the patch
}

// Changed returns how many lines the patch removes and adds.
func (p *Patch) Changed() int {
	n := 0
	for _, f := range p.Files {
		for _, h := range f.Hunks {
			for _, l := range h.Lines {
				if l.Op != ' ' {
					n++
				}
			}
		}
	}
	return n
}

// Line is a line of a hunk.
type Line struct {
	Op   byte   // ' ' in both, '-' in the old file only, '+' in the new only
	Text string // with its newline, unless the file ends without one
}

// Old returns the lines that the hunk expects.
func (h *Hunk) Old() []string { return h.side('+') }

// New returns the lines that it leaves.
func (h *Hunk) New() []string { return h.side('-') }

func (h *Hunk) side(not byte) []string {
	var s []string
	for _, l := range h.Lines {
		if l.Op != not {
			s = append(s, l.Text)
		}
	}
	return s
}

// SyntaxError says where a patch is malformed.
type SyntaxError struct {
	Patch string
	Line  int // of the patch, from 1
	Msg   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Patch, e.Line, e.Msg)
}

// Parse reads a patch: the commit's message, up to the first "diff --git" line,
// and what it does to files.
func Parse(name string, data []byte) (p *Patch, err error) {
	r := &reader{patch: &Patch{Name: name}, lines: splitLines(data)}
	defer func() {
		if e := recover(); e != nil {
			s, ok := e.(*SyntaxError)
			if !ok {
				panic(e)
			}
			p, err = nil, s
		}
	}()
	r.message()
	for r.more() {
		r.file()
	}
	if len(r.patch.Files) == 0 {
		r.fail("no \"diff --git\" line in it")
	}
	return r.patch, nil
}

// reader walks over the lines of a patch. Its methods leave by panic with a
// SyntaxError; Parse catches it.
type reader struct {
	patch *Patch
	lines []string // of the text, each with its newline
	pos   int
}

// fail complains about the current line.
func (r *reader) fail(format string, args ...any) { r.failAt(r.pos, format, args...) }

func (r *reader) failAt(pos int, format string, args ...any) {
	line := min(pos+1, max(len(r.lines), 1))
	panic(&SyntaxError{r.patch.Name, line, fmt.Sprintf(format, args...)})
}

func (r *reader) eof() bool { return r.pos >= len(r.lines) }

// peek returns the current line without its newline.
func (r *reader) peek() string {
	if r.eof() {
		return ""
	}
	return strings.TrimSuffix(r.lines[r.pos], "\n")
}

// take returns the rest of the current line if it starts with prefix, and goes
// to the next.
func (r *reader) take(prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(r.peek(), prefix)
	if !ok || r.eof() {
		return "", false
	}
	r.pos++
	return rest, true
}

// message reads the lines before the first file: headers, an empty line, the body, and,
// after "---", lines that are not part of the message.
func (r *reader) message() {
	r.headers()
	start := r.pos
	for !r.atFile() && r.peek() != "---" {
		r.pos++
	}
	if body := strings.TrimSpace(strings.Join(r.lines[start:r.pos], "")); body != "" {
		r.patch.Body = body + "\n"
	}
	for !r.atFile() {
		r.pos++
	}
}

func (r *reader) atFile() bool { return r.eof() || strings.HasPrefix(r.peek(), "diff --git ") }

func (r *reader) headers() {
	for ; !r.atFile() && r.peek() != ""; r.pos++ {
		if s, ok := strings.CutPrefix(r.peek(), "Subject: "); ok {
			// A folded header goes on with a space (RFC 5322, section 2.2.3).
			for r.pos+1 < len(r.lines) && strings.HasPrefix(r.lines[r.pos+1], " ") {
				r.pos++
				s += r.peek()
			}
			r.patch.Subject = strings.TrimSpace(strings.TrimPrefix(s, "[PATCH]"))
		}
	}
}

// more reports whether another file follows. The end is the end of the text or
// the signature of the mail.
func (r *reader) more() bool {
	for !r.eof() && r.peek() == "" {
		r.pos++
	}
	return !r.eof() && r.peek() != "-- "
}

func (r *reader) file() {
	start := r.pos
	names, ok := r.take("diff --git ")
	if !ok {
		r.fail("want \"diff --git\" or a hunk, have %q", r.peek())
	}
	f := &File{}
	a, b, ok := strings.Cut(names, " b/")
	a, isA := strings.CutPrefix(a, "a/")
	if !ok || !isA {
		r.failAt(start, "want \"diff --git a/NAME b/NAME\", without quotes")
	}
	if a != b {
		r.failAt(start, "renames and copies are not supported")
	}
	if !fs.ValidPath(a) || a == "." || strings.ContainsAny(a, "\\\x00") {
		r.failAt(start, "%q is not the name of a file in the tree", a)
	}
	f.Old, f.New = a, a
	r.header(f)
	if strings.HasPrefix(r.peek(), "--- ") {
		r.name("--- ", f.Old, "a/")
		r.name("+++ ", f.New, "b/")
		for strings.HasPrefix(r.peek(), "@@") {
			f.Hunks = append(f.Hunks, r.hunk())
		}
		if len(f.Hunks) == 0 {
			r.fail("no hunk for %s", f.Name())
		}
	} else if f.Old != "" && f.New != "" {
		r.fail("nothing is done to %s", f.Name())
	}
	f.check(r)
	for _, g := range r.patch.Files {
		if g.Name() == f.Name() {
			r.failAt(start, "%s comes twice", f.Name())
		}
	}
	r.patch.Files = append(r.patch.Files, f)
}

// header reads the extended header lines of git.
func (r *reader) header(f *File) {
	for {
		mode, isNew := r.take("new file mode ")
		if !isNew {
			var isDeleted bool
			if mode, isDeleted = r.take("deleted file mode "); isDeleted {
				f.New = ""
			}
		} else {
			f.Old = ""
		}
		switch {
		case mode == "100644":
			continue
		case mode != "":
			r.failAt(r.pos-1, "mode %s is not supported", mode)
		case strings.HasPrefix(r.peek(), "index "):
			r.pos++
		default:
			for _, s := range []string{"old mode ", "new mode ", "similarity ", "dissimilarity ", "rename ", "copy ", "GIT binary patch", "Binary files "} {
				if strings.HasPrefix(r.peek(), s) {
					r.fail("%q is not supported", strings.TrimSpace(s))
				}
			}
			if f.Old == "" && f.New == "" {
				r.fail("the file is both new and deleted")
			}
			return
		}
	}
}

// name reads a "---" or "+++" line, which must agree with the "diff" line.
func (r *reader) name(prefix, name, side string) {
	want := side + name
	if name == "" {
		want = "/dev/null"
	}
	if r.peek() != prefix+want {
		r.fail("want %q, have %q", prefix+want, r.peek())
	}
	r.pos++
}

var hunkHeader = regexp.MustCompile(`^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@`)

func (r *reader) hunk() *Hunk {
	m := hunkHeader.FindStringSubmatch(r.peek())
	if m == nil {
		r.fail("want \"@@ -start,lines +start,lines @@\", have %q", r.peek())
	}
	h := &Hunk{
		OldStart: r.number(m[1]), OldLines: r.number(m[2]),
		NewStart: r.number(m[3]), NewLines: r.number(m[4]),
		header: r.pos,
	}
	r.pos++
	oldLeft, newLeft := h.OldLines, h.NewLines
	for oldLeft > 0 || newLeft > 0 {
		line := r.peek()
		switch {
		case r.eof():
			r.fail("the hunk ends early: %d old and %d new lines are missing", oldLeft, newLeft)
		case strings.HasPrefix(line, " "):
			oldLeft--
			newLeft--
		case strings.HasPrefix(line, "-"):
			oldLeft--
		case strings.HasPrefix(line, "+"):
			newLeft--
		case line == "":
			r.fail("empty line in a hunk: something cut off the space that stands for an empty line")
		default:
			r.fail("the hunk ends early: %d old and %d new lines are missing", oldLeft, newLeft)
		}
		if oldLeft < 0 || newLeft < 0 {
			r.fail("more lines than the hunk's header says")
		}
		text := r.lines[r.pos]
		if !strings.HasSuffix(text, "\n") {
			r.fail("the patch ends within a line")
		}
		l := Line{text[0], text[1:]}
		r.pos++
		if _, ok := r.take(`\ `); ok {
			l.Text = strings.TrimSuffix(l.Text, "\n")
		}
		h.Lines = append(h.Lines, l)
	}
	return h
}

// number reads a line count or number. If it is left out, it is 1.
func (r *reader) number(s string) int {
	if s == "" {
		return 1
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > maxLines {
		r.fail("%s: not a line number", s)
	}
	return n
}

// check verifies that the hunks are in order and don't overlap.
func (f *File) check(r *reader) {
	oldEnd, newEnd := 0, 0 // lines that earlier hunks have passed
	for i, h := range f.Hunks {
		oldPos, newPos := h.pos()
		last := i == len(f.Hunks)-1
		switch {
		case oldPos < oldEnd || oldPos-oldEnd != newPos-newEnd:
			r.failAt(h.header, "the line numbers don't follow those of the hunk before")
		case f.Old == "" && (h.OldLines != 0 || !last):
			r.failAt(h.header, "a new file has old lines")
		case f.New == "" && (h.NewLines != 0 || !last):
			r.failAt(h.header, "a deleted file keeps lines")
		case h.unterminated(last):
			r.failAt(h.header, "a line without a newline is not the last one of its file")
		}
		oldEnd, newEnd = oldPos+h.OldLines, newPos+h.NewLines
	}
}

// pos returns how many lines of the old and the new file come before the hunk.
// If a side has no lines, its start is the line before them.
func (h *Hunk) pos() (oldPos, newPos int) {
	oldPos, newPos = h.OldStart, h.NewStart
	if h.OldLines > 0 {
		oldPos--
	}
	if h.NewLines > 0 {
		newPos--
	}
	return oldPos, newPos
}

// unterminated reports a line without newline that is not the last of its side
// and file.
func (h *Hunk) unterminated(last bool) bool {
	for _, side := range [][]string{h.Old(), h.New()} {
		for i, s := range side {
			if !strings.HasSuffix(s, "\n") && !(last && i == len(side)-1) {
				return true
			}
		}
	}
	return false
}

// splitLines splits data into lines, each with its newline. The last may lack it.
func splitLines(data []byte) []string {
	var lines []string
	for l := range bytes.Lines(data) {
		lines = append(lines, string(l))
	}
	return lines
}
