// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node/control"
)

func newMigrate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate CONN|all [ADDR[:PORT]]",
		Short: "Move a connection to another local address",
		Long: `Move a connection, or all of them, to another address of the stack; without an
address, to another port of the same one, which a NAT takes for a new connection.
CONN is a number that 'mnet status' shows. The command returns when the connection
has moved; if it cannot, it stays where it is.`,
		Example: `  mnet migrate 3
  mnet migrate all 10.77.0.3`,
		Args: usageArgs(cobra.RangeArgs(1, 2)),
	}
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		if err := checkConn(args[0]); err != nil {
			return &usageError{cmd, err}
		}
		req := control.MigrateRequest{Conn: args[0]}
		if len(args) == 2 {
			local, err := parseLocal(args[1])
			if err != nil {
				return &usageError{cmd, err}
			}
			req.Local = local
		}
		return c.Migrate(cmd.Context(), req)
	})
}

// checkConn checks the form of a connection's name.
func checkConn(text string) error {
	if _, err := strconv.ParseUint(text, 10, 64); err != nil && text != "all" {
		return fmt.Errorf("connection %q: want a number that mnet status shows, or all", text)
	}
	return nil
}

// parseLocal parses an address with or without a port.
func parseLocal(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil && isUnicast(a) {
		return netip.AddrPortFrom(a, 0), nil
	}
	ap, err := netip.ParseAddrPort(text)
	if err != nil || !isUnicast(ap.Addr()) {
		return ap, fmt.Errorf("address %q: want one such as 10.77.0.3, 10.77.0.3:4000 or [fd77::3]:4000", text)
	}
	return ap, nil
}

// isUnicast reports whether the stack can have an address.
func isUnicast(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == ""
}

func newAddress() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "address",
		Short: "Add or remove addresses of the stack",
		Long: `Add or remove addresses of the stack while connections are open. Those from an
address that is removed move to another one by themselves, unless the policy is
manual.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	add := &cobra.Command{
		Use:     "add ADDR/LEN",
		Short:   "Give the stack an address",
		Example: "  mnet address add 10.77.0.3/24",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	remove := &cobra.Command{
		Use:     "remove ADDR",
		Short:   "Take an address from the stack",
		Example: "  mnet address remove 10.77.0.2",
		Args:    usageArgs(cobra.ExactArgs(1)),
	}
	cmd.AddCommand(
		clientCommand(add, func(cmd *cobra.Command, args []string, c *control.Client) error {
			p, err := netip.ParsePrefix(args[0])
			if err != nil || !isUnicast(p.Addr()) {
				return &usageError{cmd, fmt.Errorf("address %q: want one with a prefix length, such as 10.77.0.3/24", args[0])}
			}
			return c.Address(cmd.Context(), control.AddressRequest{Add: p})
		}),
		clientCommand(remove, func(cmd *cobra.Command, args []string, c *control.Client) error {
			a, err := netip.ParseAddr(args[0])
			if err != nil || !isUnicast(a) {
				return &usageError{cmd, fmt.Errorf("address %q: want one such as 10.77.0.2", args[0])}
			}
			return c.Address(cmd.Context(), control.AddressRequest{Remove: a})
		}),
	)
	return cmd
}
