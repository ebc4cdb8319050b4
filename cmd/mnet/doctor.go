// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/node/doctor"
)

func newDoctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out whether this host has what mnet needs",
		Long: `Find out whether this host has what mnet needs: privileges, the TUN driver, a gVisor
that can migrate, address translation, forwarding, uplinks. It says what to do about
what is missing, and leaves nothing behind.

Run it as the user who is to run mnet up. The exit code is 1 if a node could not run.`,
		Example: `  mnet doctor
  mnet doctor --json`,
		Args: usageArgs(cobra.NoArgs),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *control.Client) error {
		findings := doctor.Run(cmd.Context(), doctor.Host(c.Path))
		show := printFindings
		if asJSON {
			show = func(w io.Writer, fs []doctor.Finding) error { return printJSON(w, fs) }
		}
		if err := show(cmd.OutOrStdout(), findings); err != nil {
			return err
		}
		if !doctor.Healthy(findings) {
			return errors.New("something that mnet needs is missing")
		}
		return nil
	})
}

// printFindings prints a line for each finding, and the remedy below it.
func printFindings(w io.Writer, findings []doctor.Finding) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", f.Level, f.Check, f.Text)
		if f.Do != "" {
			fmt.Fprintf(tw, "\t\tTo do: %s\n", f.Do)
		}
	}
	tw.Flush() // to a strings.Builder, which never fails
	_, err := io.WriteString(w, b.String())
	return err
}
