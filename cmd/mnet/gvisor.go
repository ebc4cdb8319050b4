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
			pin := patches.Pinned()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), gvisorText, pin.Module, pin.Version, len(patches.Embedded().Patches), patches.Embedded().Hash(), netstack.PatchCommand)
			return err
		},
	}
}

const gvisorText = `Migration needs hooks in gVisor's TCP, which come as patches with mnet. Without
them mnet builds all the same, and everything but migration works.

  gVisor   %[1]s %[2]s
  patches  %[3]d, SHA-256 %[4]s

In the module that embeds mnet, where go.mod is:

  go get github.com/mnet-dev/mnet/endpoint
  %[5]s
  go build ./...

The second line writes a patched copy of gVisor into third_party/gvisor, to be
committed or ignored as you like, and this line into go.mod:

  replace %[1]s => ./third_party/gvisor

A program finds out which gVisor it has got by netstack.Patched(). After an update
of mnet, run the second line again.
`
