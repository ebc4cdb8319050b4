// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package patches

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// subject matches the subject of a patch, which may go on in a line that begins with a
// space.
var subject = regexp.MustCompile(`(?m)^Subject: \[PATCH\] (.*(?:\n .*)*)`)

// TestReadmeListsSeries compares the tables of README.md with the patches.
func TestReadmeListsSeries(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, line := range strings.Split(string(readme), "\n") {
		if regexp.MustCompile(`^\| \d{4} \|`).MatchString(line) {
			rows++
		}
	}
	series := Embedded().Patches
	if rows != len(series) {
		t.Errorf("README.md lists %d patches of %d", rows, len(series))
	}
	for _, p := range series {
		text := string(p.Data)
		s := strings.ReplaceAll(subject.FindStringSubmatch(text)[1], "\n", "")
		lines := 0
		for _, l := range strings.Split(text[strings.Index(text, "\ndiff "):], "\n") {
			changed := strings.HasPrefix(l, "+") || strings.HasPrefix(l, "-")
			if changed && !strings.HasPrefix(l, "+++ ") && !strings.HasPrefix(l, "--- ") {
				lines++
			}
		}
		if row := fmt.Sprintf("\n| %.4s | %s | %d |", p.Name, s, lines); !strings.Contains(string(readme), row) {
			t.Errorf("README.md has no row %q", row[1:])
		}
	}
}

// TestReadmeNamesTests fails if a test that guards a patch is not in package endpoint.
func TestReadmeNamesTests(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := endpointTests(t)
	for _, row := range regexp.MustCompile(`(?m)^\| 00\d\d \|.*$`).FindAllString(string(readme), -1) {
		guards := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(row, -1)
		if len(guards) == 0 {
			t.Errorf("no test guards this: %s", row)
		}
		for _, g := range guards {
			if !strings.Contains(tests, "\nfunc "+g[1]+"(") {
				t.Errorf("package endpoint has no %s", g[1])
			}
		}
	}
}

// endpointTests returns the text of all tests of package endpoint.
func endpointTests(t *testing.T) string {
	const dir = "../endpoint"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		b, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
