// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/control"
)

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the node and its connections",
		Args:  usageArgs(cobra.NoArgs),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *control.Client) error {
		s, err := c.Status(cmd.Context())
		if err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), s)
	})
}
