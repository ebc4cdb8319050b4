// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

// goCommand runs the go command for Linux on amd64, so that all systems get the same.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = new(strings.Builder)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, cmd.Stderr)
	}
	return string(out)
}

// TestImports holds which packages, outside the standard library, a program links that
// imports one of the packages for embedders. The device, netlink and nftables are not
// among them: a program that needs these imports endpoint/host.
func TestImports(t *testing.T) {
	const (
		mnet   = "github.com/mnet-dev/mnet/"
		gvisor = "gvisor.dev/gvisor/"
	)
	// The imports of gVisor's TCP and IP.
	below := []string{
		"github.com/google/btree", "golang.org/x/exp/constraints", "golang.org/x/sys/unix",
		"golang.org/x/time/rate", gvisor,
	}
	for pkg, want := range map[string][]string{
		"migrate":  nil,
		"netstack": append([]string{mnet + "internal/broadcast", mnet + "migrate"}, below...),
		"endpoint": append([]string{mnet + "endpoint/internal/limits", mnet + "endpoint/roam", mnet + "internal/broadcast", mnet + "migrate", mnet + "netstack"}, below...),
	} {
		var got []string
		for p := range strings.Lines(goCommand(t, "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", mnet+pkg)) {
			p = strings.TrimSpace(p)
			if strings.HasPrefix(p, gvisor) {
				p = gvisor // its packages are all of one module
			}
			if p != "" && p != mnet+pkg {
				got = append(got, p)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s imports\n\t%s\nwant\n\t%s", pkg, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
	}
}

// The bytes that a dial adds to a program that has net/http already, without symbol
// tables. gVisor's stack alone adds 2.8 MB of it.
const (
	dialSize      = 3_680_000
	sizeTolerance = dialSize * 3 / 100 // for other versions of Go
)

// TestDialSize holds how much a program grows by a dial over a stack.
func TestDialSize(t *testing.T) {
	if testing.Short() {
		t.Skip("links two programs")
	}
	if err := netstack.Patched(); err != nil {
		t.Skip(err)
	}
	size := func(program string) int64 {
		t.Helper()
		file := filepath.Join(t.TempDir(), program)
		goCommand(t, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", file, "./testdata/size/"+program)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	switch added := size("dial") - size("http"); {
	case added > dialSize+sizeTolerance:
		t.Errorf("a dial adds %d bytes, want %d: what is linked needlessly? (go tool nm -size)", added, dialSize)
	case added < dialSize-sizeTolerance:
		t.Errorf("a dial adds %d bytes only: hold that, instead of %d", added, dialSize)
	}
}
