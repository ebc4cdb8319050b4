// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/patches"
)

// versionInfo is the output of mnet version.
type versionInfo struct {
	Version       string `json:"version"`
	Revision      string `json:"revision,omitempty"` // of the repository, if built in one
	Modified      bool   `json:"modified,omitempty"` // files differed from the revision
	Go            string `json:"go"`
	GVisor        string `json:"gvisor"`
	GVisorReplace string `json:"gvisor_replace,omitempty"` // where go.mod or go.work found it
	PatchSeries   string `json:"patch_series"`             // hash of the series that came with mnet
	Patched       bool   `json:"patched"`                  // the gVisor in this program has the hooks
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print versions, and whether gVisor can migrate",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := readVersion(debug.ReadBuildInfo())
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), v)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// unknown stands for facts that the linker did not note: tests, and programs built
// outside of a module.
const unknown = "unknown"

// readVersion takes the results of debug.ReadBuildInfo.
func readVersion(info *debug.BuildInfo, ok bool) versionInfo {
	v := versionInfo{
		Version:     unknown,
		Go:          runtime.Version(),
		GVisor:      unknown,
		PatchSeries: patches.Embedded().Hash(),
		Patched:     netstack.Patched() == nil,
	}
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Path != patches.Pinned().Module {
			continue
		}
		v.GVisor = m.Version
		if m.Replace != nil {
			v.GVisorReplace = m.Replace.Path
		}
	}
	return v
}

func (v versionInfo) String() string {
	s := "mnet " + v.Version
	if v.Revision != "" {
		s += "\nrevision " + v.Revision
		if v.Modified {
			s += ", modified"
		}
	}
	s += fmt.Sprintf("\nGo %s\ngVisor %s", v.Go, v.GVisor)
	if v.GVisorReplace != "" {
		s += " (" + v.GVisorReplace + ")"
	}
	patched := "patched"
	if err := netstack.Patched(); err != nil {
		patched = "not patched: " + err.Error()
	}
	return s + fmt.Sprintf("\npatch series %s\n%s\n", v.PatchSeries, patched)
}
