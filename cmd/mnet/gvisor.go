// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/patches"
)

func newGVisor() *cobra.Command {
	return &cobra.Command{
		Use:   "gvisor",
		Short: "Print how a module that embeds mnet gets a gVisor that can migrate",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			pin, series := patches.Pinned(), patches.Embedded()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), gvisorText, pin.Module, pin.Version,
				len(series.Patches), len(series.Overlay), series.Hash(), netstack.PatchCommand)
			return err
		},
	}
}

const gvisorText = `Migration needs hooks in gVisor's TCP. mnet carries them as patches and new files.
Without them mnet builds, and everything but migration works.

  gVisor   %[1]s %[2]s
  series   %[3]d patches, %[4]d new files, SHA-256 %[5]s

In the module that embeds mnet, where go.mod is:

  go get github.com/mnet-dev/mnet/endpoint
  %[6]s
  go build ./...

The second line writes a patched copy of gVisor into third_party/gvisor. Commit it or
ignore it as you like. It also writes this line into go.mod:

  replace %[1]s %[2]s => ./third_party/gvisor

A replace works in the main module alone: each program needs one of its own, not the
libraries that it uses. A go.work may override it; "gvpatch check" says whether the
build uses the copy, and so does netstack.Patched() in the program.

After an update of mnet, run the second line again.
`
