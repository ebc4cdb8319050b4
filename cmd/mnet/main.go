// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Command mnet runs a TCP/IP stack on a TUN device whose connections move, makes it
// useful to other programs, and demonstrates it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
)

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// errInterrupted is the error of a command that a signal has ended.
var errInterrupted = errors.New("interrupted")

func main() { os.Exit(run(os.Args[1:])) }

// run executes a command line and returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	fmt.Fprintln(root.ErrOrStderr(), "mnet:", err)
	if u := (*usageError)(nil); errors.As(err, &u) {
		fmt.Fprintf(root.ErrOrStderr(), "Run '%s --help' for usage.\n", u.cmd.CommandPath())
		return exitUsage
	}
	if c := (*control.Error)(nil); errors.As(err, &c) && c.Usage || errors.Is(err, node.ErrConfig) {
		return exitUsage
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "mnet",
		Short: "TCP connections that survive a change of address",
		Long: `mnet is TCP connection migration on gVisor's netstack: an established connection
moves to other addresses, at either end, while it carries data.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.AddCommand(
		newUp(), newServe(), newForward(), newSOCKS(), newNC(),
		newStatus(), newMigrate(), newAddress(),
		newPing(), newBench(), newDoctor(),
		newDemo(), newLab(), newVersion(), newGVisor(), newJanitor(),
	)
	return root
}

// usageError is the error about a wrong command line.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usageArgs makes the errors of a check of arguments usage errors.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{cmd, err}
		}
		return nil
	}
}
