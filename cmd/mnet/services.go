// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
)

func newServe() *cobra.Command {
	var dnat bool
	cmd := &cobra.Command{
		Use:   "serve PORT=HOST:PORT ...",
		Short: "Make services of the host reachable by connections that move",
		Long: `Make services of the host reachable by connections that move: the stack listens on
PORT, and hands each connection on to HOST:PORT. It ends when the command does;
connections that are open then go on.

The stack's port is reachable on the stack's own address, if that is routed here,
and with --dnat on all addresses of the host. Peers without mnet get plain TCP.

The service sees connections from the host, not from the peer's address.`,
		Example: `  mnet serve 22=127.0.0.1:22
  mnet serve --dnat 443=127.0.0.1:8443 80=127.0.0.1:8080`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}
	cmd.Flags().BoolVar(&dnat, "dnat", false, "reachable on the host's own addresses, too (needs mnet up --dnat)")
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		req := control.ServeRequest{DNAT: dnat}
		if err := parseRules(args, &req.Rules, node.CheckServe); err != nil {
			return &usageError{cmd, err}
		}
		return untilInterrupted(c.Serve(cmd.Context(), req, printServices(cmd)))
	})
}

func newForward() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forward [HOST:]PORT=HOST:PORT ...",
		Short: "Forward ports of the host by connections that move",
		Long: `Forward ports of the host: mnet listens on the first HOST and PORT (127.0.0.1 if no
host is given), and for each connection dials the second by the node's stack. It
ends when the command does; connections that are open then go on.`,
		Example: `  mnet forward 8080=server:80 &
  curl http://127.0.0.1:8080/`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		var req control.ForwardRequest
		if err := parseRules(args, &req.Rules, node.CheckForward); err != nil {
			return &usageError{cmd, err}
		}
		return untilInterrupted(c.Forward(cmd.Context(), req, printServices(cmd)))
	})
}

func newSOCKS() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "socks [[HOST:]PORT]",
		Short: "Run a SOCKS 5 proxy whose connections move",
		Long: `Run a SOCKS 5 proxy on the host (127.0.0.1:1080 if nothing else is said) that dials
by the node's stack. Names are looked up by the node. It ends when the command
does; connections that are open then go on.`,
		Example: `  mnet socks &
  curl --proxy socks5h://127.0.0.1:1080 http://server/`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		req := control.SOCKSRequest{Listen: "127.0.0.1:1080"}
		if len(args) == 1 {
			req.Listen = args[0]
		}
		if err := node.CheckSOCKS(req.Listen); err != nil {
			return &usageError{cmd, err}
		}
		return untilInterrupted(c.SOCKS(cmd.Context(), req, printServices(cmd)))
	})
}

// parseRules parses rules that know their text form, and checks all of them together.
func parseRules[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](args []string, rules *[]T, check func([]T) error) error {
	for _, arg := range args {
		if err := (textSlice[T, P]{values: rules}).Set(arg); err != nil {
			return err
		}
	}
	return check(*rules)
}

func printServices(cmd *cobra.Command) func([]node.Service) error {
	return func(services []node.Service) error {
		for _, s := range services {
			text := s.Listen
			if s.Target != "" {
				text += " -> " + s.Target
			}
			if s.DNAT {
				text += " (and the host's own addresses)"
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), text); err != nil {
				return err
			}
		}
		return nil
	}
}

// untilInterrupted returns nil for an end by a signal.
func untilInterrupted(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err == nil:
		return errors.New("the node has gone down")
	default:
		return err
	}
}
