// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
)

func TestCheck(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "is not there", "check")
	for _, want := range []string{"0001-change-a.patch applies\n", "0101-take-b.patch applies\n", "makes the tree that is recorded"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("output:\n%s\nwant %q", r.out, want)
		}
	}
	r.run(exitOK, "", "apply")
	r.run(exitOK, "third_party/gvisor is up to date", "check")
	r.check(os.Remove(r.path(defaultDir + "/LICENSE")))
	r.run(exitFinding, "incomplete:\n\tLICENSE", "check")
	write(t, r.path(defaultDir), map[string]string{"go.sum": "x"})
	r.run(exitFinding, "edited:\n\tgo.sum", "check")
	if len(read(t, r.path(defaultDir))) == 0 {
		t.Error("check deleted something")
	}
}

func TestCheckUnrecorded(t *testing.T) {
	r := newRig(t)
	r.tool.series.Overlay = nil
	r.run(exitFinding, "run gvpatch record", "check")
}

func TestCheckCorrupted(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(r.cache, gvVersion), map[string]string{"LICENSE": "do what you like\n"})
	r.run(exitFinding, "is not the original", "check")
}

func TestCheckBuild(t *testing.T) {
	r := newRig(t)
	r.run(exitFinding, "0001-change-a.patch: gVisor doesn't build with it", "check", "-build")
	write(t, filepath.Join(r.cache, gvVersion), map[string]string{
		"pkg/tcpip/network/n.go":        "package network\n\nimport _ \"example.org/gv/pkg/tcpip\"\n",
		"pkg/tcpip/transport/t.go":      "package transport\n",
		"pkg/tcpip/adapters/gonet/g.go": "package gonet\n",
		"pkg/tcpip/link/channel/c.go":   "package channel\n",
		"pkg/used/u.go":                 "package used\n",
	})
	r.rerecord()
	r.run(exitOK, "0101-take-b.patch applies", "check", "-build")

	// The hook needs the overlay, the fix does not.
	r.tool.series.Overlay = nil
	r.rerecord()
	r.run(exitFinding, "overlay and hooks: gVisor doesn't build with it", "check", "-build")
	r.tool.series.Patches = gvSeries.Of(patches.Fix)
	r.rerecord()
	r.run(exitOK, "0001-change-a.patch applies", "check", "-build")
}

// rerecord takes what is in the cache for the original.
func (r *rig) rerecord() {
	r.t.Helper()
	r.tool.pin.Sum = r.sum(gvVersion)
	original, _, err := r.tool.original(r.t.Context(), gvVersion, "")
	r.check(err)
	r.tool.pin.Tree, err = treeHash(original, r.tool.pin, r.tool.series)
	r.check(err)
}
