// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
)

func TestRecord(t *testing.T) {
	r := newRig(t)
	r.run(exitFailure, "this is for a checkout of "+mnetModule, "record")
	r.run(exitFailure, "-o names another place", "rebase", "-to", gvNewer)

	want := r.tool.pin
	r.checkout()
	r.tool.pin.Sum, r.tool.pin.Tree = "", ""
	r.run(exitOK, want.Tree, "record")
	var have patches.Pin
	data, err := os.ReadFile(r.path("patches/pin.json"))
	r.check(err)
	r.check(json.Unmarshal(data, &have))
	if have != want {
		t.Errorf("recorded %+v, want %+v", have, want)
	}

	write(t, r.path("patches/_overlay/pkg/tcpip"), map[string]string{"new.go": "changed since\n"})
	r.run(exitFailure, "not the one this program was built with", "record")
	write(t, r.path("patches"), map[string]string{gvSeries.Patches[0].Name: "changed since\n"})
	r.run(exitFailure, "not the one this program was built with", "record")
}

func TestList(t *testing.T) {
	r := newRig(t)
	r.run(exitOK, "0001  fix   2  change A\n0101  hook  2  take B from the overlay\n\noverlay: 1 files\nfixes: 2 lines\nseam: 2 lines\n", "list")
	if !strings.Contains(r.out, gvModule+"@"+gvVersion) || !strings.Contains(r.out, gvSeries.Hash()) {
		t.Errorf("output:\n%s", r.out)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want string
	}{
		{nil, exitFailure, "gvpatch apply"},
		{[]string{"-h"}, exitOK, "gvpatch apply"},
		{[]string{"help"}, exitOK, "gvpatch apply"},
		{[]string{"frobnicate"}, exitFailure, `unknown command "frobnicate"`},
		{[]string{"apply", "-h"}, exitOK, "-force"},
		{[]string{"apply", "-nonsense"}, exitFailure, "-nonsense"},
		{[]string{"apply", "-use", "x"}, exitFailure, "want go.mod, go.work or none"},
		{[]string{"check", "now"}, exitFailure, `unexpected argument "now"`},
		{[]string{"rebase"}, exitFailure, "-to is missing"},
	}
	for _, tt := range tests {
		newRig(t).run(tt.code, tt.want, tt.args...)
	}
}
