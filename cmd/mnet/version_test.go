// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/mnet-dev/mnet/patches"
)

func TestReadVersion(t *testing.T) {
	gvisor := &debug.Module{Path: patches.Pinned().Module, Version: "v1.2.3", Replace: &debug.Module{Path: "./third_party/gvisor"}}
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	tests := []struct {
		name     string
		settings []debug.BuildSetting
		want     string
	}{
		{"a clone", []debug.BuildSetting{setting("vcs.revision", "0123abcd"), setting("vcs.modified", "false")}, "mnet v1.0.0\nrevision 0123abcd\nGo "},
		{"an edited clone", []debug.BuildSetting{setting("vcs.revision", "0123abcd"), setting("vcs.modified", "true")}, "mnet v1.0.0\nrevision 0123abcd, modified\nGo "},
		{"a tarball", nil, "mnet v1.0.0\nGo "},
	}
	for _, tt := range tests {
		v := readVersion(&debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}, Deps: []*debug.Module{gvisor}, Settings: tt.settings}, true)
		if s := v.String(); !strings.HasPrefix(s, tt.want) || !strings.Contains(s, "\ngVisor v1.2.3 (./third_party/gvisor)\n") {
			t.Errorf("%s: %s\nwant %s", tt.name, s, tt.want)
		}
	}
	if v := readVersion(nil, false); v.Version != unknown || v.GVisor != unknown {
		t.Errorf("without build information: %+v", v)
	}
}
