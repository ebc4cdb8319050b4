// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mnet-dev/mnet/internal/measure"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
)

// benchFlags are the flags of mnet bench.
type benchFlags struct {
	server      bool
	port        uint16
	portGiven   bool
	dnat        bool
	reverse     bool
	interactive bool
	seconds     float64
	parallel    int
	migrations  int
	to          string
	json        bool
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench (HOST[:PORT] | --server)",
		Short: "Measure connections while they move",
		Long: `Measure how much connections between two nodes carry, and for how long nothing
arrives when they move. One node listens (mnet bench --server), until the command
ends; the other sends to it, or receives with -R, or exchanges small messages with
--interactive. Every byte is checked.

With --migrations, each connection moves so many times, evenly spread: to a new port,
or with --to to that address of the stack and back. The outage of a move is the
longest time without an arrival at the receiver that begins at or after the move
began, and before the next one does; in round trips, as measured before.`,
		Example: `  mnet bench --server --dnat                      # on one host
  mnet bench -t 10 --migrations 20 server         # on the other
  mnet bench --interactive --migrations 5 server`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&f.server, "server", false, "listen for measurements")
	fs.Uint16VarP(&f.port, "port", "p", node.DefaultBenchPort, "port")
	fs.BoolVar(&f.dnat, "dnat", false, "with --server: reachable on the host's own addresses, too (needs mnet up --dnat)")
	fs.BoolVarP(&f.reverse, "reverse", "R", false, "receive instead of sending")
	fs.BoolVar(&f.interactive, "interactive", false, "send 64 bytes there and back, every 20 ms")
	fs.Float64VarP(&f.seconds, "time", "t", 10, "duration in seconds")
	fs.IntVarP(&f.parallel, "parallel", "P", 1, "number of connections")
	fs.IntVar(&f.migrations, "migrations", 0, "how often each connection moves")
	fs.StringVar(&f.to, "to", "", "move to this address of the stack, and back (default: to a new port)")
	fs.BoolVar(&f.json, "json", false, "print JSON objects, one a line")
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		f.portGiven = cmd.Flags().Changed("port")
		if f.server != (len(args) == 0) {
			return &usageError{cmd, errors.New("give the host of a server, or --server to be one")}
		}
		if f.server {
			if err := checkServerFlags(cmd.Flags()); err != nil {
				return &usageError{cmd, err}
			}
			req := control.BenchServeRequest{Port: f.port, DNAT: f.dnat}
			return untilInterrupted(c.BenchServe(cmd.Context(), req, printServices(cmd)))
		}
		req, err := f.request(args[0])
		if err == nil {
			err = req.Check()
		}
		if err != nil {
			return &usageError{cmd, err}
		}
		p := &benching{out: cmd.OutOrStdout(), json: f.json}
		if err := c.Bench(cmd.Context(), req, p.event); err != nil {
			return err
		}
		return p.end()
	})
}

// checkServerFlags refuses flags about a measurement, which the other end asks for.
func checkServerFlags(given *pflag.FlagSet) (err error) {
	given.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "server", "port", "dnat", "socket":
		default:
			err = fmt.Errorf("--%s is not for --server: give it where the measurement is asked for", f.Name)
		}
	})
	return err
}

// request returns the request that the flags describe.
func (f *benchFlags) request(target string) (req node.BenchRequest, err error) {
	req = node.BenchRequest{
		Address:    target,
		Mode:       measure.Upload,
		Duration:   time.Duration(f.seconds * float64(time.Second)),
		Parallel:   f.parallel,
		Migrations: f.migrations,
	}
	// An IPv6 address has colons, too.
	_, _, notBoth := net.SplitHostPort(target)
	if notBoth != nil {
		req.Address = net.JoinHostPort(target, strconv.Itoa(int(f.port)))
	}
	switch {
	case notBoth == nil && f.portGiven:
		return req, fmt.Errorf("%s has a port: leave out --port", target)
	case f.dnat:
		return req, errors.New("--dnat is for --server")
	case f.reverse && f.interactive:
		return req, errors.New("--reverse and --interactive exclude each other")
	case f.reverse:
		req.Mode = measure.Download
	case f.interactive:
		req.Mode = measure.Interactive
	}
	if f.to != "" {
		if req.To, err = netip.ParseAddr(f.to); err != nil {
			return req, fmt.Errorf("--to %q: want an address such as 10.77.0.3", f.to)
		}
	}
	return req, nil
}
