// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package lint finds the findings of analyzers that a patched tree has and the original
// lacks. Findings in gVisor itself are not for this module to correct.
package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

// Tool is an analyzer that prints a line for each finding.
type Tool struct {
	Name string
	Args []string // the command, to which patterns of packages are added
}

// Finding is a finding of a tool.
type Finding struct {
	Tool string
	File string // slash-separated; "-" if the tool does not know
	Line string // with the column, "12:3"; may be empty
	Text string
}

func (f Finding) String() string {
	place := f.File
	if f.Line != "" {
		place += ":" + f.Line
	}
	return fmt.Sprintf("%s: %s: %s", place, f.Tool, f.Text)
}

// number matches text that differs between two findings of one kind: shares, lines of
// other places, addresses of objects of the analyzer.
var number = regexp.MustCompile(`0x[0-9a-f]+|\d+`)

// key is equal for two findings about the same place, of the original and of the
// patched tree. Lines move, and checklocks lists locks in any order.
func (f Finding) key() string {
	words := strings.FieldsFunc(number.ReplaceAllString(f.Text, "N"), func(r rune) bool { return strings.ContainsRune(" ,()", r) })
	slices.Sort(words)
	return f.Tool + " " + f.File + " " + strings.Join(words, " ")
}

// New returns the findings that are in have more often than in known.
func New(have, known []Finding) []Finding {
	n := make(map[string]int)
	for _, f := range known {
		n[f.key()]++
	}
	var fresh []Finding
	for _, f := range have {
		if n[f.key()]--; n[f.key()] < 0 {
			fresh = append(fresh, f)
		}
	}
	return fresh
}

// Run runs a tool on packages of the module in dir.
func (t Tool) Run(ctx context.Context, dir string, patterns ...string) ([]Finding, error) {
	args := slices.Concat(t.Args[1:], patterns)
	cmd := exec.CommandContext(ctx, t.Args[0], args...)
	cmd.Dir = dir
	// With -trimpath the name of the directory is not in the output, so that the cache
	// has the results of earlier runs.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-trimpath", "PWD="+dir)
	out, err := cmd.CombinedOutput()
	findings, other := t.parse(dir, string(out))
	// Analyzers exit with an error if they have findings.
	if err != nil && (len(findings) == 0 || !errors.As(err, new(*exec.ExitError))) || other != "" {
		return nil, fmt.Errorf("%s: %w\n%s", t.Name, errors.Join(err, errors.New("no list of findings")), other)
	}
	return findings, nil
}

var findingLine = regexp.MustCompile(`^(?:vet: )?(-|[^\s:]+\.(?:go|s)):(?:(\d+(?::\d+)?):)? (.*)$`)

// parse returns the findings in the output of a tool, and the other lines.
func (t Tool) parse(dir, out string) (findings []Finding, other string) {
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		m := findingLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			findings = append(findings, Finding{t.Name, fileName(m[1], path.Base(filepath.ToSlash(dir))), m[2], m[3]})
		case strings.HasPrefix(line, "\t") && len(findings) > 0, strings.HasPrefix(line, "#"),
			strings.HasPrefix(line, "go: downloading "), line == "":
			// More about the last finding, the name of a package, or progress.
		default:
			other += line + "\n"
		}
	}
	return findings, other
}

// fileName returns the slash-separated name of a file, relative to a directory with the
// name base. A result from the cache of staticcheck has the path of another run, which
// ends in the same way.
func fileName(name, base string) string {
	name = path.Clean(filepath.ToSlash(name))
	if i := strings.LastIndex(name, "/"+base+"/"); i >= 0 {
		name = name[i+len(base)+2:]
	}
	return name
}

// Gofmt returns a finding for each Go file that gofmt would change.
func Gofmt(t tree.Tree) []Finding {
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(t)) {
		data := t[name]
		if path.Ext(name) != ".go" {
			continue
		}
		text := "not formatted; run gofmt -w"
		formatted, err := format.Source(data)
		if err != nil {
			text = err.Error()
		}
		if err != nil || !bytes.Equal(formatted, data) {
			findings = append(findings, Finding{Tool: "gofmt", File: name, Text: text})
		}
	}
	return findings
}
