// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node/control"
)

// clientCommand makes cmd a client of a running node: with a flag for its socket.
func clientCommand(cmd *cobra.Command, run func(cmd *cobra.Command, args []string, c *control.Client) error) *cobra.Command {
	var c control.Client
	cmd.Flags().StringVar(&c.Path, "socket", control.DefaultSocket(), "control socket of the node")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.Path = cmp.Or(c.Path, control.DefaultSocket()) // as mnet up takes an empty one
		return run(cmd, args, &c)
	}
	return cmd
}
