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
	series, pin, err := Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	if len(series.Patches) == 0 {
		t.Fatal("no patches")
	}
	for name, s := range map[string]string{"sum": pin.Sum, "tree": pin.Tree} {
		if !strings.HasPrefix(s, "h1:") {
			t.Errorf("%s of pin.json is %q, want a hash; run gvpatch record", name, s)
		}
	}
}

// TestPinIsRequired fails if go.mod requires another gVisor than the series is for:
// gvpatch would refuse to serve this very module.
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

// TestSumIsKnown compares the pin with the sum in go.sum, which the checksum database
// has confirmed.
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

// TestNoAddress checks that no header names an e-mail address: the project has none.
func TestNoAddress(t *testing.T) {
	for _, p := range Embedded().Patches {
		headers, _, _ := bytes.Cut(p.Data, []byte("\n\n"))
		if bytes.ContainsRune(headers, '@') {
			t.Errorf("%s has an address:\n%s", p.Name, headers)
		}
	}
}

func TestSeriesIsACopy(t *testing.T) {
	Embedded().Patches[0].Name = "changed"
	Embedded().Overlay["changed"] = nil
	if s := Embedded(); s.Patches[0].Name == "changed" || s.Overlay["changed"] != nil {
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
		{"good", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0101-b.patch": b, "_overlay/pkg/tcpip/c.go": a, "README": a}, ""},
		{"no overlay", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0101-b.patch": b}, ""},
		{"no pin", fstest.MapFS{"0001-a.patch": a}, "pin.json"},
		{"bad pin", fstest.MapFS{"pin.json": a}, "pin.json"},
		{"gap", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0003-b.patch": b}, "0003-b.patch: want a name that starts with 0002-"},
		{"gap before the hooks", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0100-b.patch": b}, "0100-b.patch: want a name that starts with 0002-"},
		{"gap in the hooks", fstest.MapFS{"pin.json": pin, "0101-a.patch": a, "0103-b.patch": b}, "0103-b.patch: want a name that starts with 0001- (fix) or 0102- (hook)"},
		{"twice", fstest.MapFS{"pin.json": pin, "0001-a.patch": a, "0001-b.patch": b}, "0001-b.patch: want a name that starts with 0002-"},
		{"without number", fstest.MapFS{"pin.json": pin, "a.patch": a}, "a.patch: want a name that starts with 0001-"},
		{"not in pkg/tcpip", fstest.MapFS{"pin.json": pin, "_overlay/pkg/a/a.go": a}, "_overlay/pkg/a/a.go: want a Go file below _overlay/pkg/tcpip"},
		{"not below pkg", fstest.MapFS{"pin.json": pin, "_overlay/README.md": a}, "_overlay/README.md: want a Go file below _overlay/pkg/tcpip"},
		{"not Go", fstest.MapFS{"pin.json": pin, "_overlay/pkg/tcpip/a.go~": a}, "_overlay/pkg/tcpip/a.go~: want a Go file"},
		{"unreadable", fstest.MapFS{"pin.json": pin, "0001-a.patch": &fstest.MapFile{Mode: fs.ModeDir}}, "0001-a.patch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			series, pin, err := Parse(tt.fs)
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
			if p := series.Patches; len(p) != 2 || p[0].Name != "0001-a.patch" || p[0].Kind() != Fix || p[1].Kind() != Hook || string(p[1].Data) != "b" {
				t.Errorf("patches %q", p)
			}
			if _, ok := tt.fs["_overlay/pkg/tcpip/c.go"]; ok != (string(series.Overlay["pkg/tcpip/c.go"]) == "a") || len(series.Overlay) > 1 {
				t.Errorf("overlay %q", series.Overlay)
			}
		})
	}
}

func TestHash(t *testing.T) {
	a, b := Patch{"0001-a.patch", []byte("a")}, Patch{"0101-b.patch", []byte("b")}
	overlay := map[string][]byte{"pkg/tcpip/c.go": []byte("c")}
	series := Series{[]Patch{a, b}, overlay}
	// mkdir -p _overlay/pkg/tcpip; printf a >0001-a.patch; printf b >0101-b.patch; printf c >_overlay/pkg/tcpip/c.go
	// sha256sum *.patch _overlay/pkg/tcpip/c.go | sha256sum
	const want = "fdc44a077b450e4ddb9a3dadec6b8ba4948240a94cf8adcce8fed77b98704901"
	if have := series.Hash(); have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	for name, other := range map[string]Series{
		"fewer":                   {[]Patch{a}, overlay},
		"other order":             {[]Patch{b, a}, overlay},
		"other name":              {[]Patch{{"0001-x.patch", a.Data}, b}, overlay},
		"other content":           {[]Patch{{a.Name, []byte("x")}, b}, overlay},
		"no overlay":              {[]Patch{a, b}, nil},
		"other name in overlay":   {[]Patch{a, b}, map[string][]byte{"pkg/tcpip/x.go": []byte("c")}},
		"other content of a file": {[]Patch{a, b}, map[string][]byte{"pkg/tcpip/c.go": []byte("x")}},
	} {
		if other.Hash() == want {
			t.Errorf("%s: same hash", name)
		}
	}
}
