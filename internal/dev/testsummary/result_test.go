// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
)

const (
	good = `{"Action":"start","Package":"m/good"}
{"Action":"run","Package":"m/good","Test":"TestA"}
{"Action":"output","Package":"m/good","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"m/good","Test":"TestA","Output":"    a_test.go:1: chatter\n"}
{"Action":"pass","Package":"m/good","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"m/good","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"m/good","Test":"TestB","Output":"    a_test.go:2: no such thing here\n"}
{"Action":"output","Package":"m/good","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"m/good","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"m/good","Output":"PASS\n"}
{"Action":"output","Package":"m/good","Output":"ok  \tm/good\t0.1s\n"}
{"Action":"pass","Package":"m/good","Elapsed":0.1}
`
	untested = `{"Action":"start","Package":"m/none"}
{"Action":"output","Package":"m/none","Output":"?   \tm/none\t[no test files]\n"}
{"Action":"skip","Package":"m/none","Elapsed":0}
`
	bad = `{"Action":"start","Package":"m/bad"}
{"Action":"output","Package":"m/bad","Test":"TestC","Output":"    c_test.go:1: broken\n"}
{"Action":"fail","Package":"m/bad","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"m/bad","Output":"FAIL\n"}
{"Action":"output","Package":"m/bad","Output":"FAIL\tm/bad\t0.1s\n"}
{"Action":"fail","Package":"m/bad","Elapsed":0.1}
`
	panics = `{"Action":"start","Package":"m/panics"}
{"Action":"output","Package":"m/panics","Test":"TestD","Output":"panic: boom\n"}
{"Action":"output","Package":"m/panics","Output":"FAIL\tm/panics\t0.1s\n"}
{"Action":"fail","Package":"m/panics","Elapsed":0.1}
`
	unbuilt = `{"ImportPath":"m/unbuilt [m/unbuilt.test]","Action":"build-output","Output":"x.go:1:1: syntax error\n"}
{"ImportPath":"m/unbuilt [m/unbuilt.test]","Action":"build-fail"}
{"Action":"start","Package":"m/unbuilt"}
{"Action":"output","Package":"m/unbuilt","Output":"FAIL\tm/unbuilt [build failed]\n"}
{"Action":"fail","Package":"m/unbuilt","Elapsed":0,"FailedBuild":"m/unbuilt [m/unbuilt.test]"}
`
	cut = `{"Action":"start","Package":"m/cut"}
{"Action":"run","Package":"m/cut","Test":"TestE"}
`
)

func TestSummary(t *testing.T) {
	tests := []struct {
		name, in string
		err      error // of the command
		ok       bool
		shown    []string // as the run goes on
		hidden   string
		end      string // the last lines of the summary
		summary  []string
	}{
		{
			name: "good", in: good + untested, ok: true, shown: []string{"ok  \tm/good\t0.1s\n"}, hidden: "chatter",
			summary: []string{"# x: 1 tests passed, 0 failed, 1 skipped\n", "skipped: no such thing here\n\tm/good.TestB\n"},
			end:     "\n# x\nok  \tm/good\t0.1s\n?   \tm/none\t[no test files]\n",
		},
		{
			name: "bad", in: bad + good, shown: []string{"c_test.go:1: broken\n"},
			end: "\n# x\nFAIL\tm/bad\t0.1s\nok  \tm/good\t0.1s\nFAIL\n",
		},
		{name: "panic", in: panics, shown: []string{"panic: boom\n"}, end: "FAIL\tm/panics\t0.1s\nFAIL\n"},
		{name: "build fails", in: unbuilt, shown: []string{"syntax error\n"}, end: "FAIL\tm/unbuilt [build failed]\nFAIL\n"},
		{name: "cut off", in: good + cut, summary: []string{"did not end: m/cut\n"}, end: "FAIL\n"},
		{name: "nothing", in: "", end: "FAIL\n"},
		{name: "not events", in: "go: no such flag\n[1]\n", shown: []string{"go: no such flag\n[1]\n"}, end: "FAIL\n"},
		{name: "no newline at the end", in: strings.TrimSuffix(good, "\n"), ok: true, end: "ok  \tm/good\t0.1s\n"},
		{name: "command fails", in: good, err: errors.New("exit status 3"), summary: []string{"x: exit status 3\n"}, end: "FAIL\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var shown, summary bytes.Buffer
			r := newResult("x")
			if err := r.read(strings.NewReader(tt.in), &shown); err != nil {
				t.Fatal(err)
			}
			r.err = tt.err
			if ok := summarize(&summary, []*result{r}); ok != tt.ok {
				t.Errorf("ok is %v", ok)
			}
			for _, want := range tt.shown {
				if !strings.Contains(shown.String(), want) {
					t.Errorf("shown:\n%s\nwant %q", shown.String(), want)
				}
			}
			if tt.hidden != "" && strings.Contains(shown.String(), tt.hidden) {
				t.Errorf("shown:\n%s\nbut should not have %q", shown.String(), tt.hidden)
			}
			for _, want := range tt.summary {
				if !strings.Contains(summary.String(), want) {
					t.Errorf("summary:\n%s\nwant %q", summary.String(), want)
				}
			}
			if !strings.HasSuffix(summary.String(), tt.end) {
				t.Errorf("summary:\n%s\nwant at its end:\n%s", summary.String(), tt.end)
			}
		})
	}
}

// TestSummaryOfTwo wants the packages of both runs at the end, and a failure of
// either to count.
func TestSummaryOfTwo(t *testing.T) {
	for _, order := range [][]string{{good, bad}, {bad, good}} {
		var results []*result
		for _, in := range order {
			r := newResult("x")
			if err := r.read(strings.NewReader(in), &bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
			results = append(results, r)
		}
		var out bytes.Buffer
		if summarize(&out, results) {
			t.Error("ok")
		}
		if strings.Count(out.String(), "# x\n") != 2 || !strings.HasSuffix(out.String(), "\nFAIL\n") {
			t.Errorf("summary:\n%s", out.String())
		}
	}
}

func TestPrintSkips(t *testing.T) {
	var out bytes.Buffer
	printSkips(&out, []skip{
		{"m/b", "TestX/1", "slow"}, {"m/a", "TestY", "slow"}, {"m/b", "TestX/2", "slow"}, {"m/b", "TestX/3", "hard"},
		{"m/a", "TestZ", reason([]string{"=== RUN   TestZ\n", "--- SKIP: TestZ (0.00s)\n"})},
	})
	const want = "skipped: hard\n\tm/b.TestX (1 subtests)\n" +
		"skipped: no reason given\n\tm/a.TestZ\n" +
		"skipped: slow\n\tm/a.TestY\n\tm/b.TestX (2 subtests)\n"
	if out.String() != want {
		t.Errorf("have\n%s\nwant\n%s", out.String(), want)
	}
}

func TestParseArgs(t *testing.T) {
	runs, err := parseArgs([]string{"--", "one", "A=1", "B=", "go", "test", "C=3", "--", "two", "go"})
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs[0].name != "one" || strings.Join(runs[0].env, " ") != "A=1 B=" ||
		strings.Join(runs[0].cmd, " ") != "go test C=3" || runs[1].name != "two" || len(runs[1].env) > 0 || len(runs[1].cmd) != 1 {
		t.Errorf("runs %+v", runs)
	}
	for _, args := range [][]string{nil, {"--"}, {"one"}, {"one", "A=1"}, {"one", "go", "--", "two"}} {
		if runs, err := parseArgs(args); err == nil {
			t.Errorf("%q: %+v", args, runs)
		}
	}
}

// helperEnv makes this test binary print its value and fail.
const helperEnv = "TESTSUMMARY_HELPER"

func TestMain(m *testing.M) {
	if s := os.Getenv(helperEnv); s != "" {
		if _, err := os.Stdout.WriteString(s); err != nil {
			os.Exit(2)
		}
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	res := run{name: "x", env: []string{helperEnv + "=" + good}, cmd: []string{exe}}.do(context.Background(), &bytes.Buffer{})
	if res.passed != 1 || len(res.closing) != 1 {
		t.Errorf("result %+v", res)
	}
	if res.err == nil || res.ok() {
		t.Errorf("exit code 3, but error %v", res.err)
	}
	res = run{name: "x", cmd: []string{exe + ".none"}}.do(context.Background(), &bytes.Buffer{})
	if res.err == nil || res.ok() {
		t.Error("no such program, but no error")
	}
}
