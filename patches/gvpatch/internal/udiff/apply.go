// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package udiff

import (
	"errors"
	"fmt"
	"strings"
)

// maxShown is how many differing lines an error shows.
const maxShown = 5

// Tree is a set of files by slash-separated name.
type Tree map[string][]byte

// ApplyError says which hunk doesn't apply and why.
type ApplyError struct {
	Patch string
	File  string
	Hunk  int // from 1; 0 if it is the file that is not as expected
	Hunks int // of the file
	Msg   string
}

func (e *ApplyError) Error() string {
	if e.Hunk == 0 {
		return fmt.Sprintf("%s: %s: %s", e.Patch, e.File, e.Msg)
	}
	return fmt.Sprintf("%s: %s: hunk %d of %d: %s", e.Patch, e.File, e.Hunk, e.Hunks, e.Msg)
}

// Apply changes t. If it fails, t is as it was before.
func (p *Patch) Apply(t Tree) error {
	changed := make(Tree) // nil content: the file is to be deleted
	var errs []error
	for _, f := range p.Files {
		data, ok := t[f.Name()]
		switch {
		case f.Old == "" && ok:
			errs = append(errs, &ApplyError{Patch: p.Name, File: f.Name(), Msg: "the patch creates it, but it is there"})
			continue
		case f.Old != "" && !ok:
			errs = append(errs, &ApplyError{Patch: p.Name, File: f.Name(), Msg: "no such file"})
			continue
		}
		out, err := f.apply(p.Name, splitLines(data))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if f.New == "" {
			if out != "" {
				errs = append(errs, &ApplyError{Patch: p.Name, File: f.Name(), Msg: "the patch deletes it, but doesn't list all its lines"})
			}
			changed[f.Name()] = nil
			continue
		}
		changed[f.Name()] = []byte(out)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for name, data := range changed {
		if data == nil {
			delete(t, name)
			continue
		}
		t[name] = data
	}
	return nil
}

// apply returns the new content of the file.
func (f *File) apply(patch string, lines []string) (string, error) {
	var out strings.Builder
	var errs []error
	done := 0 // lines consumed
	for i, h := range f.Hunks {
		at, _ := h.pos()
		if err := h.fits(lines, at); err != nil {
			errs = append(errs, &ApplyError{patch, f.Name(), i + 1, len(f.Hunks), err.Error()})
			continue
		}
		for _, l := range lines[done:at] {
			out.WriteString(l)
		}
		for _, l := range h.New() {
			out.WriteString(l)
		}
		done = at + h.OldLines
	}
	for _, l := range lines[done:] {
		out.WriteString(l)
	}
	return out.String(), errors.Join(errs...)
}

// fits returns an error if the hunk does not match the lines behind the position at.
func (h *Hunk) fits(lines []string, at int) error {
	if at > len(lines) {
		return fmt.Errorf("the file has %d lines, the place is behind line %d", len(lines), at)
	}
	if diff := differences(lines, h.Old(), at); diff != "" {
		return errors.New("the file differs from what the patch expects:\n" + diff)
	}
	if h.reachesEnd() && at+h.OldLines != len(lines) {
		return errors.New("the patch expects the end of the file here, but it goes on")
	}
	return nil
}

// reachesEnd reports whether the hunk's last new line has no newline, so that
// nothing may follow it.
func (h *Hunk) reachesEnd() bool {
	s := h.New()
	return len(s) > 0 && !strings.HasSuffix(s[len(s)-1], "\n")
}

// differences lists the lines from pos on that differ from want. It is empty if none
// does.
func differences(lines, want []string, pos int) string {
	var b strings.Builder
	shown := 0
	for i, w := range want {
		have, there := "", pos+i < len(lines)
		if there {
			have = lines[pos+i]
		}
		if there && have == w {
			continue
		}
		if shown++; shown > maxShown {
			b.WriteString("  ...\n")
			break
		}
		fmt.Fprintf(&b, "  line %d: want %q\n", pos+i+1, w)
		if there {
			fmt.Fprintf(&b, "  %*s have %q\n", len(fmt.Sprintf("line %d:", pos+i+1)), "", have)
		} else {
			fmt.Fprintf(&b, "  %*s have the end of the file\n", len(fmt.Sprintf("line %d:", pos+i+1)), "")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
