// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is a line of go test -json (go doc test2json).
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// result is the result of a run.
type result struct {
	name    string
	err     error
	passed  int // tests and subtests
	failed  int
	skipped []skip

	closing []string        // lines of go test about its packages
	open    map[string]bool // packages that have not ended
	output  map[string][]string
}

// skip is a test or subtest that was skipped.
type skip struct{ pkg, test, reason string }

func newResult(name string) *result {
	return &result{name: name, open: make(map[string]bool), output: make(map[string][]string)}
}

// ok reports whether everything passed. A package that never ended didn't, and
// neither did a run without any package.
func (r *result) ok() bool {
	return r.err == nil && r.failed == 0 && len(r.open) == 0 && len(r.closing) > 0
}

// read reads the events of a run and shows packages and failures on w.
func (r *result) read(in io.Reader, w io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				// Not an event: the go command itself complains.
				if _, err := w.Write(line); err != nil {
					return err
				}
			} else {
				r.event(e, w)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *result) event(e event, w io.Writer) {
	id := e.Package + "\t" + e.Test
	switch {
	case e.Action == "build-output":
		fmt.Fprint(w, e.Output)
	case e.Action == "start":
		r.open[e.Package] = true
	case e.Action == "output":
		r.output[id] = append(r.output[id], e.Output)
	case e.Test == "":
		r.packageEvent(e, id, w)
	default:
		r.testEvent(e, id, w)
	}
}

func (r *result) testEvent(e event, id string, w io.Writer) {
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		for _, s := range r.output[id] {
			fmt.Fprint(w, s)
		}
	case "skip":
		r.skipped = append(r.skipped, skip{e.Package, e.Test, reason(r.output[id])})
	default: // "run", "pause", "cont"
		return
	}
	delete(r.output, id)
}

func (r *result) packageEvent(e event, id string, w io.Writer) {
	if e.Action != "pass" && e.Action != "fail" && e.Action != "skip" {
		return
	}
	delete(r.open, e.Package)
	if e.Action == "fail" {
		r.failed++
		r.flush(e.Package, w)
	}
	line := e.Action + "\t" + e.Package
	for _, s := range r.output[id] {
		switch {
		case isClosing(s):
			line = strings.TrimSuffix(s, "\n")
		case e.Action == "fail":
			fmt.Fprint(w, s)
		}
	}
	delete(r.output, id)
	r.closing = append(r.closing, line)
	fmt.Fprintln(w, line)
}

// flush shows the output of tests that did not end, because their package panicked or
// hit the time limit.
func (r *result) flush(pkg string, w io.Writer) {
	var ids []string
	for id := range r.output {
		if strings.HasPrefix(id, pkg+"\t") && id != pkg+"\t" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		for _, s := range r.output[id] {
			fmt.Fprint(w, s)
		}
		delete(r.output, id)
	}
}

// isClosing recognizes go test's last line about a package.
func isClosing(s string) bool {
	return strings.HasPrefix(s, "ok  \t") || strings.HasPrefix(s, "FAIL\t") || strings.HasPrefix(s, "?   \t") ||
		strings.HasPrefix(s, "\t") && strings.Contains(s, "coverage:")
}

// place matches the position that go test puts before a test's message.
var place = regexp.MustCompile(`^[^\s:]+\.go:\d+: `)

// reason returns the message of a skipped test: the last line of its output that is not
// go test's own, without its place.
func reason(output []string) string {
	why := "no reason given"
	for _, s := range output {
		s = strings.TrimSpace(s)
		if s == "" || strings.HasPrefix(s, "=== ") || strings.HasPrefix(s, "--- ") {
			continue
		}
		why = place.ReplaceAllString(s, "")
	}
	return why
}

// printSkips prints each reason once, with all tests that gave it; subtests
// that share a test are counted.
func printSkips(w io.Writer, skips []skip) {
	subtests := make(map[skip]int) // with the test they belong to
	var order []skip
	for _, s := range skips {
		top, _, isSub := strings.Cut(s.test, "/")
		s.test = top
		if _, ok := subtests[s]; !ok {
			order = append(order, s)
			subtests[s] = 0
		}
		if isSub {
			subtests[s]++
		}
	}
	slices.SortStableFunc(order, func(a, b skip) int {
		return cmp.Or(strings.Compare(a.reason, b.reason), strings.Compare(a.pkg, b.pkg), strings.Compare(a.test, b.test))
	})
	for i, s := range order {
		if i == 0 || s.reason != order[i-1].reason {
			fmt.Fprintf(w, "skipped: %s\n", s.reason)
		}
		fmt.Fprintf(w, "\t%s.%s", s.pkg, s.test)
		if n := subtests[s]; n > 0 {
			fmt.Fprintf(w, " (%d subtests)", n)
		}
		fmt.Fprintln(w)
	}
}

// summarize prints the ends of all runs and reports whether all passed.
func summarize(w io.Writer, results []*result) bool {
	ok := true
	for _, r := range results {
		fmt.Fprintf(w, "\n# %s: %d tests passed, %d failed, %d skipped\n", r.name, r.passed, r.failed, len(r.skipped))
		printSkips(w, r.skipped)
		for pkg := range r.open {
			fmt.Fprintf(w, "did not end: %s\n", pkg)
		}
		if r.err != nil {
			fmt.Fprintf(w, "%s: %v\n", r.name, r.err)
		}
		ok = ok && r.ok()
	}
	for _, r := range results {
		fmt.Fprintf(w, "\n# %s\n", r.name)
		for _, line := range r.closing {
			fmt.Fprintln(w, line)
		}
	}
	if !ok {
		fmt.Fprintln(w, "FAIL")
	}
	return ok
}
