// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package patches

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
)

func TestSeries(t *testing.T) {
	series, pin, err := parse(files)
	if err != nil {
		t.Fatal(err)
	}
	if len(series) == 0 {
		t.Fatal("no patches")
	}
	for name, s := range map[string]string{"sum": pin.Sum, "tree": pin.Tree} {
		if !strings.HasPrefix(s, "h1:") {
			t.Errorf("%s of pin.json is %q, want a hash; run gvpatch record", name, s)
		}
	}
}

// TestPinIsRequired fails if go.mod moved to another gVisor than the series is
// for: gvpatch would refuse to serve this very module.
func TestPinIsRequired(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json", "../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	pin := Pinned()
	for _, r := range mod.Require {
		if r.Path == pin.Module {
			if r.Version != pin.Version {
				t.Errorf("go.mod requires %s, pin.json says %s", r.Version, pin.Version)
			}
			return
		}
	}
	t.Errorf("go.mod doesn't require %s", pin.Module)
}

// TestSumIsKnown compares the pin with what the checksum database vouched for.
func TestSumIsKnown(t *testing.T) {
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	pin := Pinned()
	if want := pin.Module + " " + pin.Version + " " + pin.Sum + "\n"; !bytes.Contains(sums, []byte(want)) {
		t.Errorf("go.sum has no line %q", want)
	}
}

func TestSeriesIsACopy(t *testing.T) {
	Series()[0].Name = "changed"
	if Series()[0].Name == "changed" {
		t.Error("callers can change the series")
	}
}

func TestParseSeries(t *testing.T) {
	pin := &fstest.MapFile{Data: []byte(`{"module": "m", "version": "v1", "sum": "h1:s", "tree": "h1:t"}`)}
	a, b := &fstest.MapFile{Data: []byte("a")}, &fstest.MapFile{Data: []byte("b")}
	tests := []struct {
		name string
		fs   fstest.MapFS
		want string // part of the error
	}{
		{"good", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0002-b.patch": b, "README": a}, ""},
		{"no pin", fstest.MapFS{"0001-a.patch": a}, "pin.json"},
		{"bad pin", fstest.MapFS{"pin.json": a}, "pin.json"},
		{"gap", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0003-b.patch": b}, "0003-b.patch: want a name that starts with 0002-"},
		{"twice", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0001-b.patch": b}, "0001-b.patch: want a name that starts with 0002-"},
		{"without number", fstest.MapFS{"pin.json": pin, "a.patch": a}, "a.patch: want a name that starts with 0001-"},
		{"unreadable", fstest.MapFS{"pin.json": pin, "0001-a.patch": &fstest.MapFile{Mode: fs.ModeDir}}, "0001-a.patch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			series, pin, err := parse(tt.fs)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if pin != (Pin{"m", "v1", "h1:s", "h1:t"}) {
				t.Errorf("pin %+v", pin)
			}
			if len(series) != 2 || series[0].Name != "0001-a.patch" || string(series[1].Data) != "b" {
				t.Errorf("series %q", series)
			}
		})
	}
}

func TestHash(t *testing.T) {
	series := []Patch{{"0001-a.patch", []byte("a")}, {"0002-b.patch", []byte("b")}}
	// printf a >0001-a.patch; printf b >0002-b.patch; sha256sum *.patch | sha256sum
	const want = "9d02cddabb01880ef2af9d2af4f254fec4ee9d86d2dc2237fdf6bc58fefa5aec"
	if have := HashOf(series); have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	for name, other := range map[string][]Patch{
		"fewer":         series[:1],
		"other order":   {series[1], series[0]},
		"other name":    {{"0001-x.patch", []byte("a")}, series[1]},
		"other content": {{"0001-a.patch", []byte("x")}, series[1]},
	} {
		if HashOf(other) == want {
			t.Errorf("%s: same hash", name)
		}
	}
}
