// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/node/view"
)

func newStatus() *cobra.Command {
	var asJSON, follow bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the node and its connections",
		Long: `Show the node and its connections. On a terminal that is too narrow, the least
important columns are left out; --json has everything.

  HEARD  when the peer was last heard of, with a mark if it owes an answer; for
         plain TCP it is not known
  MOVES  how often the connection has moved, by this end + by the peer; "plain" if
         it cannot

With --watch, what is shown is renewed every second and at each event, and the last
events stand below. Where the output is no terminal, each event is a line.`,
		Example: `  mnet status --watch
  mnet status --watch --json | jq 'select(.event == "moved")'`,
		Args: usageArgs(cobra.NoArgs),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: an object or, with --watch, one for each event")
	cmd.Flags().BoolVarP(&follow, "watch", "w", false, "go on, until interrupted")
	return clientCommand(cmd, func(cmd *cobra.Command, _ []string, c *control.Client) error {
		out := cmd.OutOrStdout()
		switch {
		case follow && asJSON:
			enc := json.NewEncoder(out)
			return untilInterrupted(c.Events(cmd.Context(), func(e node.Event) error { return enc.Encode(e) }))
		case follow && terminalOf(out) != nil:
			return untilInterrupted(watch(cmd.Context(), c, terminalOf(out)))
		case follow:
			return untilInterrupted(c.Events(cmd.Context(), func(e node.Event) error {
				_, err := fmt.Fprintln(out, view.Event(e, view.Options{}))
				return err
			}))
		default:
			return showStatus(cmd.Context(), c, out, asJSON)
		}
	})
}

func showStatus(ctx context.Context, c *control.Client, out io.Writer, asJSON bool) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, s)
	}
	o := view.Options{Now: time.Now()}
	if t := terminalOf(out); t != nil {
		o.Width, _ = t.size()
		o.Colour = t.colour
	}
	_, err = io.WriteString(out, view.Status(s, o))
	return err
}
