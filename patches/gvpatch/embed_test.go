// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/patches"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/gocmd"
	"github.com/mnet-dev/mnet/patches/gvpatch/internal/tree"
)

// embedderMain prints whether its gVisor can migrate.
const embedderMain = `package main

import (
	"fmt"

	_ "gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/netstack"
)

func main() {
	err := netstack.Patched()
	fmt.Println("patched", err == nil)
	if err != nil {
		fmt.Println(err)
	}
}
`

// TestEmbedder embeds mnet in a module of its own, with the real gVisor. It downloads
// nothing that the build of mnet did not need.
func TestEmbedder(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	e := embedder{t, t.TempDir(), []string{"GOWORK=off", "GOFLAGS=", "GOPROXY=off"}}
	write(t, e.dir, map[string]string{"main.go": embedderMain})
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, e.dir, map[string]string{name: string(data)})
	}
	e.run("", "mod", "edit", "-module=example.com/embedder", "-require="+mnetModule+"@v0.0.0", "-replace="+mnetModule+"="+root)

	// Vanilla, and the hint says how to change that.
	e.build("patched false\n", netstack.PatchCommand+"\n")
	command := strings.Fields(netstack.PatchCommand)[1:] // without "go"
	e.run("written to", command...)
	e.build("patched true\n")
	e.run("third_party/gvisor", "list", "-m", patches.Pinned().Module)

	// Again, with nothing to do.
	e.run("is up to date", command...)

	// In a fresh clone of a module that does not commit the directory: go.mod points to
	// nowhere, which must not keep gvpatch from running.
	dir := filepath.Join(e.dir, filepath.FromSlash(defaultDir))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	e.run("written to", command...)

	// An edit is not lost.
	edited := filepath.Join(dir, "pkg", "tcpip", "tcpip.go")
	if err := os.WriteFile(edited, []byte("package tcpip\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	e.fail("was edited after gvpatch wrote it:\n\tpkg/tcpip/tcpip.go\n", command...)
	e.run("written to", append(command, "-force")...)
	e.build("patched true\n")
}

type embedder struct {
	t   *testing.T
	dir string
	env []string // of the go command
}

// run runs the go command and checks that its output contains want.
func (e embedder) run(want string, args ...string) {
	e.t.Helper()
	out, err := e.command("go", args...)
	if err != nil || !strings.Contains(out, want) {
		e.t.Fatalf("go %s: %v\n%s\nwant %q", strings.Join(args, " "), err, out, want)
	}
}

// fail is run for a command that fails.
func (e embedder) fail(want string, args ...string) {
	e.t.Helper()
	out, err := e.command("go", args...)
	if err == nil || !strings.Contains(out, want) {
		e.t.Fatalf("go %s: %v\n%s\nwant a failure and %q", strings.Join(args, " "), err, out, want)
	}
}

// build builds the program and checks what it prints.
func (e embedder) build(want ...string) {
	e.t.Helper()
	// With -trimpath the name of the directory is not in the output, which is then
	// cached.
	e.run("", "build", "-trimpath", "-o", "program.exe", ".")
	out, err := e.command(filepath.Join(e.dir, "program.exe"))
	if err != nil {
		e.t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			e.t.Errorf("the program prints\n%s\nwant %q", out, w)
		}
	}
}

func (e embedder) command(name string, args ...string) (string, error) {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), name, args...)
	cmd.Dir = e.dir
	cmd.Env = append(append(os.Environ(), e.env...), "PWD="+e.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPinned applies the real series to the real gVisor.
func TestPinned(t *testing.T) {
	r := newRig(t)
	r.tool.pin, r.tool.series, r.tool.download = patches.Pinned(), patches.Embedded(), gocmd.Download
	r.run(exitOK, "makes the tree that is recorded", "check")
}

// maxSeam bounds the lines that hooks remove from gVisor's files and add to them. Each
// of these lines has to be carried to the next version of gVisor. To raise the bound,
// give the reason here.
const maxSeam = 135

func TestSeam(t *testing.T) {
	series, err := tree.Parse(patches.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	seam := 0
	for _, p := range series.Hooks {
		seam += p.Changed()
	}
	if seam > maxSeam {
		t.Errorf("the hooks change %d lines of gVisor's files, want at most %d; put code into the overlay", seam, maxSeam)
	}
}

// TestNoNetwork asks for a version that is not in the module cache.
func TestNoNetwork(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	r := newRig(t)
	r.tool.pin, r.tool.download = patches.Pinned(), gocmd.Download
	r.tool.pin.Version = "v0.0.0-20200101000000-000000000000"
	r.run(exitFailure, "this needs the network", "apply", "-use", "none")
}
