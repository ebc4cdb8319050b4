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

// Apply changes t. If it fails, t is as it was before.
func (p *Patch) Apply(t Tree) error {
	_, err := p.apply(t, exactly)
	return err
}

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

// locate returns where in lines, from the position from on, the hunk belongs,
// given that pos is where it should be.
type locate func(lines []string, h *Hunk, from, pos int) (int, error)

// exactly is the locate of Apply: no offset.
func exactly(lines []string, h *Hunk, _, pos int) (int, error) {
	old := h.Old()
	if pos > len(lines) {
		return 0, fmt.Errorf("the file has %d lines, the place is behind line %d", len(lines), pos)
	}
	if diff := differences(lines, old, pos); diff != "" {
		return 0, errors.New("the file differs from what the patch expects:\n" + diff)
	}
	return pos, nil
}

// Result says where a hunk was applied.
type Result struct {
	File   string
	Hunk   int // from 1
	Offset int // lines below the place that the patch names
	Err    error
}

// apply applies all hunks or none.
func (p *Patch) apply(t Tree, find locate) ([]Result, error) {
	changed := make(Tree) // nil content: the file is to be deleted
	var results []Result
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
		out, res, err := f.apply(p.Name, splitLines(data), find)
		results = append(results, res...)
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
		return results, errors.Join(errs...)
	}
	for name, data := range changed {
		if data == nil {
			delete(t, name)
			continue
		}
		t[name] = data
	}
	return results, nil
}

// apply returns the new content of the file.
func (f *File) apply(patch string, lines []string, find locate) (string, []Result, error) {
	var out strings.Builder
	var results []Result
	var errs []error
	done, shift := 0, 0 // lines consumed; how far the hunk before was off
	for i, h := range f.Hunks {
		want, _ := h.pos()
		at, err := find(lines, h, done, want+shift)
		if err == nil && h.reachesEnd() && at+h.OldLines != len(lines) {
			err = errors.New("the patch expects the end of the file here, but it goes on")
		}
		if err != nil {
			err = &ApplyError{patch, f.Name(), i + 1, len(f.Hunks), err.Error()}
			errs = append(errs, err)
			results = append(results, Result{File: f.Name(), Hunk: i + 1, Err: err})
			continue
		}
		shift = at - want
		results = append(results, Result{File: f.Name(), Hunk: i + 1, Offset: shift})
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
	return out.String(), results, errors.Join(errs...)
}

// reachesEnd reports whether the hunk's last new line has no newline, so that
// nothing may follow it.
func (h *Hunk) reachesEnd() bool {
	s := h.New()
	return len(s) > 0 && !strings.HasSuffix(s[len(s)-1], "\n")
}

// differences lists where lines from pos on differ from want; empty if nowhere.
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
