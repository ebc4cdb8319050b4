// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
)

// Modules of the proxy, beside those of the module cache.
const (
	mnetVersion = "v0.1.0"
	depModule   = "example.com/dep" // v1.0.0 requires the pinned gVisor, v1.1.0 a newer one
	newerGVisor = "v0.0.0-20990101000000-0123456789ab"
)

// moduleProxy is a GOPROXY of files, with a module cache of its own. It never needs the
// network.
type moduleProxy struct {
	dir, cache string
	fallback   string // the module cache that this test runs with, as a proxy
}

// newModuleProxy publishes the working tree as mnet v0.1.0.
func newModuleProxy(t *testing.T) *moduleProxy {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	p := &moduleProxy{
		dir:      t.TempDir(),
		cache:    t.TempDir(),
		fallback: filepath.Join(strings.TrimSpace(string(out)), "cache", "download"),
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, mnetModule, mnetVersion, moduleFiles(t, root))
	pin := patches.Pinned()
	dep := func(gvisor string) map[string][]byte {
		return map[string][]byte{
			"go.mod": fmt.Appendf(nil, "module %s\n\ngo 1.26\n\nrequire %s %s\n", depModule, pin.Module, gvisor),
			"dep.go": []byte("package dep\n"),
		}
	}
	p.publish(t, depModule, "v1.0.0", dep(pin.Version))
	p.publish(t, depModule, "v1.1.0", dep(newerGVisor))
	p.publish(t, pin.Module, newerGVisor, map[string][]byte{"go.mod": []byte("module " + pin.Module + "\n\ngo 1.26\n")})
	return p
}

// moduleFiles reads the files of a module that belong to its zip.
func moduleFiles(t *testing.T, root string) map[string][]byte {
	t.Helper()
	made := []string{".git", "bin", "third_party", "go.work", "go.work.sum"} // .gitignore
	files := make(map[string][]byte)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(made, name) && d.IsDir():
			return fs.SkipDir
		case slices.Contains(made, name) || !d.Type().IsRegular():
			return nil
		}
		files[name], err = os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// publish adds a version of a module; see "go help goproxy".
func (p *moduleProxy) publish(t *testing.T, module, version string, files map[string][]byte) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.Create(path.Join(module+"@"+version, name))
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(p.dir, filepath.FromSlash(module), "@v")
	list, err := os.ReadFile(filepath.Join(dir, "list"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"list":            string(list) + version + "\n",
		version + ".info": fmt.Sprintf(`{"Version": %q}`, version),
		version + ".mod":  string(files["go.mod"]),
		version + ".zip":  b.String(),
	})
}

// env is the environment in which modules come from the proxy.
func (p *moduleProxy) env() []string {
	return []string{
		"GOPROXY=" + fileURL(p.dir) + "," + fileURL(p.fallback), "GOMODCACHE=" + p.cache,
		"GOSUMDB=off", "GOENV=off", "GOPRIVATE=", "GONOPROXY=", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw", "GOWORK=",
	}
}

func fileURL(dir string) string { return "file:///" + strings.TrimPrefix(filepath.ToSlash(dir), "/") }

// embedder makes a module that uses mnet.
func (p *moduleProxy) embedder(t *testing.T) embedder {
	t.Helper()
	e := embedder{t, t.TempDir(), p.env()}
	write(t, e.dir, map[string]string{"main.go": embedderMain, "go.mod": "module example.com/embedder\n\ngo 1.26.3\n"})
	e.run("", "get", mnetModule+"/netstack@"+mnetVersion)
	return e
}

// gvpatch runs gvpatch and checks that it succeeds.
func (e embedder) gvpatch(want string, args ...string) {
	e.t.Helper()
	e.run(want, append([]string{"run", mnetModule + "/patches/gvpatch"}, args...)...)
}

// gvpatchFails runs gvpatch and checks that it fails, and says all of want.
func (e embedder) gvpatchFails(want []string, args ...string) {
	e.t.Helper()
	for _, w := range want {
		e.fail(w, append([]string{"run", mnetModule + "/patches/gvpatch"}, args...)...)
	}
}

// TestEmbedderBehindProxy has modules that take mnet from a proxy, as users do.
func TestEmbedderBehindProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks gVisor and builds mnet")
	}
	p := newModuleProxy(t)
	pin := patches.Pinned()
	get := "go get " + pin.Module + "@" + pin.Version
	raised := []string{
		"uses " + pin.Module + " " + newerGVisor + ", but the patches are for " + pin.Version,
		"That version is required by " + depModule + "@v1.1.0.\n",
		get,
	}

	t.Run("a dependency raises gVisor", func(t *testing.T) {
		e := p.embedder(t)
		e.gvpatch("written to", "apply")
		e.gvpatch("the build uses it", "check")
		e.run("upgraded "+pin.Module, "get", depModule+"@v1.1.0")
		e.gvpatchFails(raised, "check")
		out, err := e.command("go", "list", "-m", pin.Module)
		if want := pin.Module + " " + newerGVisor + "\n"; out != want {
			t.Errorf("the build uses %q, %v; want %q, not replaced", out, err, want)
		}
	})
	t.Run("the replacement was lost", func(t *testing.T) {
		e := p.embedder(t)
		e.gvpatch("written to", "apply")
		e.run("", "mod", "edit", "-dropreplace="+pin.Module+"@"+pin.Version)
		e.gvpatchFails([]string{"does not replace " + pin.Module + " by "}, "check")
		e.gvpatch("makes the module use it", "apply")
		e.gvpatch("the build uses it", "check")
	})
	t.Run("a replacement of all versions", func(t *testing.T) {
		e := p.embedder(t)
		e.gvpatch("written to", "apply", "-use", "none")
		e.run("", "mod", "edit", "-replace="+pin.Module+"=./third_party/gvisor")
		e.gvpatchFails([]string{"not " + pin.Version + " alone"}, "check")
		e.run("upgraded "+pin.Module, "get", depModule+"@v1.1.0")
		e.gvpatchFails(raised, "check")
	})
	t.Run("a workspace raises gVisor", func(t *testing.T) {
		e := p.embedder(t)
		e.gvpatch("written to", "apply")
		write(t, e.dir, map[string]string{
			"go.work":      "go 1.26.3\n\nuse (\n\t.\n\t./other\n)\n",
			"other/go.mod": "module example.com/other\n\ngo 1.26\n\nrequire " + depModule + " v1.1.0\n",
		})
		e.gvpatchFails(append(raised, "go.work, uses", "in each module of the workspace"), "check")
		write(t, e.dir, map[string]string{"other/go.mod": "module example.com/other\n\ngo 1.26\n\nrequire " + pin.Module + " " + newerGVisor + "\n"})
		e.gvpatchFails([]string{"That version is required by example.com/other.\n"}, "check")
	})
	t.Run("a workspace replaces gVisor", func(t *testing.T) {
		e := p.embedder(t)
		e.gvpatch("written to", "apply")
		write(t, e.dir, map[string]string{
			"go.work":     "go 1.26.3\n\nuse .\n\nreplace " + pin.Module + " => ./fork\n",
			"fork/go.mod": "module " + pin.Module + "\n\ngo 1.26\n",
		})
		e.gvpatchFails([]string{"a go.work has replacements of its own"}, "check")
		e.gvpatchFails([]string{"a go.work has replacements of its own"}, "apply")
	})
	t.Run("going back downgrades a dependency", func(t *testing.T) {
		e := p.embedder(t)
		e.run("upgraded "+pin.Module, "get", depModule+"@v1.1.0")
		e.gvpatchFails(append(raised[1:], "requires "+pin.Module+" "+newerGVisor+", but the patches are for "+pin.Version), "apply")
		e.run("downgraded "+depModule+" v1.1.0 => v1.0.0", strings.Fields(get)[1:]...)
		e.gvpatch("written to", "apply")
		e.gvpatch("the build uses it", "check")
	})
	t.Run("modules that nothing needs are not listed", func(t *testing.T) {
		e := p.embedder(t)
		e.gvpatch("written to", "apply")
		// The graph has the modules of go list -m all. That command also asks for the
		// date of each module, which a module cache need not have.
		out, err := e.command("go", "mod", "graph")
		if err != nil {
			t.Fatal(out)
		}
		listed := make(map[string]bool)
		for _, m := range strings.Fields(out) {
			path, _, _ := strings.Cut(m, "@")
			listed[path] = true
		}
		if len(listed) > maxListed {
			t.Errorf("%d modules are listed, want at most %d:\n%q", len(listed), maxListed, slices.Sorted(maps.Keys(listed)))
		}
	})
	t.Run("go install", func(t *testing.T) {
		e := p.embedder(t)
		e.env = append(e.env, "GOBIN="+e.dir)
		e.run("", "install", "-trimpath", mnetModule+"/cmd/mnet@"+mnetVersion)
		out, err := e.command(filepath.Join(e.dir, "mnet"), "demo")
		if want := "git clone https://" + mnetModule; err == nil || !strings.Contains(out, want) {
			t.Errorf("mnet demo: %v\n%s\nwant %q", err, out, want)
		}
	})
}

// maxListed bounds the modules that go list -m all shows to an embedder. They are the
// requirements of mnet for its packages, commands and tests, the requirements of these,
// and four of gVisor.
const maxListed = 60
