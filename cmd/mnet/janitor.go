// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node/janitor"
)

// newJanitor is the command that mnet up starts to clean up after it.
func newJanitor() *cobra.Command {
	return &cobra.Command{
		Use:    "janitor",
		Short:  "Undo what a node did to the host, when it ends (started by mnet up)",
		Hidden: true,
		Args:   usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// It ends when its parent does.
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			return janitor.Run(cmd.InOrStdin())
		},
	}
}
