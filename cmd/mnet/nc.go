// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

func newNC() *cobra.Command {
	var require bool
	cmd := &cobra.Command{
		Use:   "nc HOST PORT",
		Short: "Connect standard input and output to a TCP port",
		Long: `Connect standard input and output to a TCP port, by the node's stack: fit for ssh's
ProxyCommand. The end of the input is passed on; the command ends when the peer has
ended its side as well. If the connection breaks, the exit code is 1.`,
		Example: `  ssh -o ProxyCommand='mnet nc %h %p' server
  mnet nc server 80 < request > response`,
		Args: usageArgs(cobra.ExactArgs(2)),
	}
	cmd.Flags().BoolVar(&require, "require", false, "fail if the connection cannot migrate")
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		address := net.JoinHostPort(args[0], args[1])
		if err := node.CheckDial(address); err != nil {
			return &usageError{cmd, err}
		}
		ctx := cmd.Context()
		err := netcat(ctx, c, address, require)
		if err != nil && ctx.Err() != nil {
			return errInterrupted // the cause of any error
		}
		return err
	})
}

func netcat(ctx context.Context, c *control.Client, address string, require bool) error {
	conn, end, err := c.Dial(ctx, address, require)
	if err != nil {
		return err
	}
	defer conn.Close()
	return pipeStdio(ctx, conn, end)
}

// pipeStdio copies the standard input to conn and conn to the standard output, until
// both have ended. It does not wait for a terminal, which does not end by itself. end
// returns nil if the end of conn is the end of the peer's data.
func pipeStdio(ctx context.Context, conn relay.Conn, end func(context.Context) error) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in := make(chan error, 1)
	go func() {
		if _, err := io.Copy(conn, os.Stdin); err != nil {
			in <- err
			return
		}
		in <- conn.CloseWrite()
	}()
	_, err := io.Copy(os.Stdout, conn)
	if cause := end(ctx); cause != nil {
		err = cause // for which the stream broke here, if it did
	}
	if err != nil || term.IsTerminal(int(os.Stdin.Fd())) {
		return err
	}
	// The reader of our output has to learn that there is no more, before it ends the
	// input.
	if err := os.Stdout.Close(); err != nil {
		return err
	}
	// A read of the standard input cannot be ended.
	select {
	case err := <-in:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
