// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"runtime/debug"
	"strings"
	"testing"
)

// TestPatchAdvice has programs that were built in each way.
func TestPatchAdvice(t *testing.T) {
	module := func(path, version, sum string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Path: path, Version: version, Sum: sum}}
	}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"unknown", nil, "in your module run: " + PatchCommand},
		{"embedder", module("example.com/user", "(devel)", ""), "in your module run: " + PatchCommand},
		{"embedder, installed", module("example.com/user", "v1.0.0", "h1:x"), "in your module run: " + PatchCommand},
		{"mnet, installed", module(mnetModule, "v1.0.0", "h1:x"), "git clone https://github.com/mnet-dev/mnet && make -C mnet build"},
		{"mnet, a clone", module(mnetModule, "v0.0.0-20260101000000-0123456789ab", ""), "in the directory of mnet run: make build"},
		{"mnet, a tarball", module(mnetModule, "(devel)", ""), "in the directory of mnet run: make build"},
	}
	for _, tt := range tests {
		if have := patchAdvice(tt.info, tt.info != nil); !strings.HasSuffix(have, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, have, tt.want)
		}
	}
}
