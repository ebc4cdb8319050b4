// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

const rtt = 40 * time.Millisecond

func results(outages ...int) (list []result) {
	for _, ms := range outages {
		list = append(list, result{outage: time.Duration(ms) * time.Millisecond, nextMB: 400 * time.Millisecond})
	}
	return list
}

func TestRowWithin(t *testing.T) {
	for _, test := range []struct {
		name    string
		cell    Cell
		runs    int
		results []result
		within  *bool
	}{
		{"kept", Cell{Mnet, rtt, BreakBeforeMake, Download}, 3, results(80, 88, 300), new(true)},
		{"not kept", Cell{Mnet, rtt, BreakBeforeMake, Download}, 3, results(80, 89, 89), new(false)},
		{"a run failed", Cell{Mnet, rtt, BreakBeforeMake, Download}, 3, results(80, 80), new(false)},
		{"all failed", Cell{Mnet, rtt, BreakBeforeMake, Upload}, 3, nil, new(false)},
		{"make before break", Cell{Mnet, rtt, MakeBeforeBreak, Download}, 1, results(80), new(false)},
		{"not for others", Cell{Reconnect, rtt, BreakBeforeMake, Download}, 1, results(80), nil},
	} {
		r := test.cell.row(test.runs, test.results)
		if (r.Within == nil) != (test.within == nil) || r.Within != nil && *r.Within != *test.within {
			t.Errorf("%s: %+v", test.name, r)
		}
		if r.N != test.runs || r.OK != len(test.results) {
			t.Errorf("%s: %d of %d", test.name, r.OK, r.N)
		}
	}
}

func TestRowFigures(t *testing.T) {
	r := Cell{Mnet, rtt, BreakBeforeMake, Upload}.row(4, results(64, 60, 100, 62))
	if r.MedianMS != 63 || r.P95MS != 100 || r.MinMS != 60 || r.MedianRTT != 63./40 || r.P95RTT != 2.5 || *r.FloorRTT != 1.5 {
		t.Errorf("%+v", r)
	}
}

func TestCompare(t *testing.T) {
	download := Cell{Mnet, rtt, BreakBeforeMake, Download}
	slow, other := download, download
	slow.Direction = Upload
	other.RTT *= 2
	row := func(c Cell, p Peer, next float64) Row {
		c.Peer = p
		r := c.row(1, results(80))
		r.NextMBMedianMS = &next
		return r
	}
	rows := []Row{
		row(download, Mnet, 300), row(download, Reconnect, 300),
		row(slow, Reconnect, 300), row(slow, Mnet, 300+2*resolutionMS),
		row(other, Mnet, 1),
	}
	compare(rows)
	for i, want := range []*bool{new(true), nil, nil, new(false), nil} {
		if got := rows[i].NextMBWithin; (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("row %d: %+v", i, rows[i])
		}
	}
}

func TestRowKeys(t *testing.T) {
	text, err := json.Marshal(Cell{Mnet, rtt, BreakBeforeMake, Download}.row(1, results(80)))
	if err != nil {
		t.Fatal(err)
	}
	var row map[string]any
	if err := json.Unmarshal(text, &row); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"peer", "rtt_ms", "mode", "direction", "n", "ok", "median_ms", "p95_ms", "median_rtt", "p95_rtt",
		"floor_rtt", "limit_rtt", "within", "next_mb_median_ms", "next_mb_p95_ms",
	} {
		if _, ok := row[key]; !ok {
			t.Errorf("no key %q in %s", key, text)
		}
	}
}

func TestCells(t *testing.T) {
	all := Cells([]time.Duration{rtt}, []Mode{BreakBeforeMake, MakeBeforeBreak}, []Direction{Download, Upload})
	var got []string
	for _, c := range all {
		got = append(got, c.String())
	}
	want := []string{
		"reconnect 40ms bbm download", "mnet 40ms bbm download", "reconnect 40ms bbm upload", "mnet 40ms bbm upload",
		"mnet 40ms mbb download", "mnet 40ms mbb upload",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParse(t *testing.T) {
	if m, err := ParseMode("mbb"); m != MakeBeforeBreak || err != nil {
		t.Error(m, err)
	}
	if d, err := ParseDirection("upload"); d != Upload || err != nil {
		t.Error(d, err)
	}
	if _, err := ParseDirection("sideways"); err == nil || !strings.Contains(err.Error(), "interactive") {
		t.Errorf("%v: does not say what there is", err)
	}
}

func TestWriteTable(t *testing.T) {
	over := Cell{Mnet, rtt, BreakBeforeMake, Download}.row(1, results(100))
	idle := Cell{Mnet, rtt, BreakBeforeMake, Idle}.newRow(2, []float64{50, 90})
	idle.LastMS, idle.CPUSeconds = new(90.), new(.25)
	var b strings.Builder
	if err := WriteTable(&b, []Row{over, idle}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"over the limit", "1/1", "2.50", "last after 90 ms, 0.25 s of CPU"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
