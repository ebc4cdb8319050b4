// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	gvlog "gvisor.dev/gvisor/pkg/log"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/node/janitor"
)

func newUp() *cobra.Command {
	var (
		flags node.Config
		file  string
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a node: a stack on a TUN device, whose connections move",
		Long: `Run a node: a TCP/IP stack behind a TUN device, whose connections move when the
host changes its network, and wait for hours when it has none. It runs until it is
interrupted, or its terminal is closed, and leaves the host as it was. SIGUSR1 has it
open its log file again.

The other commands (nc, forward, socks, serve, status, ...) talk to it over a socket
that only root, and the user named by --socket-owner, may open.

Needs root or CAP_NET_ADMIN. 'mnet doctor' says what else is missing.`,
		Example: `  # A laptop: out by whatever uplink the host has, for ssh and a browser.
  mnet up --masquerade --socket-owner $USER --socks 127.0.0.1:1080

  # A server: port 22 of the host's own addresses leads to the stack, and from
  # there to sshd. Clients without mnet get plain TCP.
  mnet up --dnat --serve 22=127.0.0.1:22

  # All of it from a file; flags override it.
  mnet up --config /etc/mnet.yaml`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkGiven(cmd.Flags()); err != nil {
				return &usageError{cmd, err}
			}
			cfg := node.Config{}
			if file != "" {
				if err := node.ReadConfig(file, &cfg); err != nil {
					return err
				}
			}
			override(&cfg, &flags, cmd.Flags())
			return runUp(cmd.Context(), cfg, cmd)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&file, "config", "c", "", "YAML file with the same settings")
	fs.StringVar(&flags.Device, "device", "", "name of the TUN device (default "+node.DefaultDevice+")")
	fs.StringVar(&flags.Driver, "driver", "", "auto, vnet_hdr or water")
	fs.Uint32Var(&flags.MTU, "mtu", 0, "MTU of the device, bytes (default 1500)")
	fs.Var(textSlice[netip.Prefix, *netip.Prefix]{&flags.Host, "prefix", "10.77.0.1/24"}, "host", "address of the host on the device, such as 10.77.0.1/24 (default: a choice that nothing of the host overlaps)")
	fs.Var(textSlice[netip.Prefix, *netip.Prefix]{&flags.Addresses, "prefix", "10.77.0.2/24"}, "address", "address of the stack, such as 10.77.0.2/24 (likewise)")
	fs.Var(textSlice[netip.Prefix, *netip.Prefix]{&flags.Routes, "prefix", "10.78.0.0/16"}, "route", "further prefix that the host sends to the stack")
	fs.BoolVar(&flags.Masquerade, "masquerade", false, "let the stack out by the host's uplinks, behind the host's addresses")
	fs.BoolVar(&flags.DNAT, "dnat", false, "make ports that are served reachable on the host's own addresses")
	fs.StringVar(&flags.Policy, "policy", "", "when connections move by themselves: handover, interactive or manual (default "+node.DefaultPolicy+")")
	fs.Var(wordSlice{&flags.Suites, "strings"}, "suite", "suite that connections may use, the best first: x25519-sha256, x25519-sha1, null")
	fs.BoolVar(&flags.Require, "require", false, "refuse connections that cannot migrate")
	fs.DurationVar(&flags.Hold, "hold", 0, "how long a connection waits without a path (default "+node.DefaultHold.String()+"; negative: not at all)")
	fs.Var(textSlice[node.ServeRule, *node.ServeRule]{&flags.Serve, "rule", ""}, "serve", "port of the stack that leads to a service, such as 22=127.0.0.1:22")
	fs.Var(textSlice[node.ForwardRule, *node.ForwardRule]{&flags.Forward, "rule", ""}, "forward", "port of the host that leads out by the stack, such as 8080=server:80")
	fs.Var(wordSlice{&flags.SOCKS, "strings"}, "socks", "address of the host for a SOCKS 5 proxy, such as 127.0.0.1:1080")
	fs.StringVar(&flags.Socket, "socket", "", "control socket (default "+control.DefaultSocket()+", or "+control.SocketEnv+")")
	fs.StringVar(&flags.SocketOwner, "socket-owner", "", "user, by name or number, who may control the node, beside root")
	fs.StringVar(&flags.Log, "log", "", "file for the log (default standard error)")
	fs.BoolVarP(&flags.Verbose, "verbose", "v", false, "log what is for debugging, too")
	return cmd
}

// checkGiven refuses values that mean a default where one is left out: a user who gives
// one means something else.
func checkGiven(given *pflag.FlagSet) (err error) {
	for _, c := range []struct{ name, value, instead string }{
		{"config", "", "name a file, or leave it out"},
		{"mtu", "0", "leave it out for the default"},
		{"hold", "0s", "give a negative value for no wait, or leave it out for the default"},
	} {
		if f := given.Lookup(c.name); f.Changed && f.Value.String() == c.value {
			return fmt.Errorf("--%s %q: %s", c.name, c.value, c.instead)
		}
	}
	return nil
}

// override takes from flags the values that were given on the command line.
func override(cfg, flags *node.Config, given *pflag.FlagSet) {
	take := map[string]func(){
		"device":       func() { cfg.Device = flags.Device },
		"driver":       func() { cfg.Driver = flags.Driver },
		"mtu":          func() { cfg.MTU = flags.MTU },
		"host":         func() { cfg.Host = flags.Host },
		"address":      func() { cfg.Addresses = flags.Addresses },
		"route":        func() { cfg.Routes = flags.Routes },
		"masquerade":   func() { cfg.Masquerade = flags.Masquerade },
		"dnat":         func() { cfg.DNAT = flags.DNAT },
		"policy":       func() { cfg.Policy = flags.Policy },
		"suite":        func() { cfg.Suites = flags.Suites },
		"require":      func() { cfg.Require = flags.Require },
		"hold":         func() { cfg.Hold = flags.Hold },
		"serve":        func() { cfg.Serve = flags.Serve },
		"forward":      func() { cfg.Forward = flags.Forward },
		"socks":        func() { cfg.SOCKS = flags.SOCKS },
		"socket":       func() { cfg.Socket = flags.Socket },
		"socket-owner": func() { cfg.SocketOwner = flags.SocketOwner },
		"log":          func() { cfg.Log = flags.Log },
		"verbose":      func() { cfg.Verbose = flags.Verbose },
	}
	given.Visit(func(f *pflag.Flag) {
		if set := take[f.Name]; set != nil {
			set()
		}
	})
}

// runUp runs a node until ctx ends. Checks that do not change the host come first: the
// settings, the log, the control socket.
func runUp(ctx context.Context, cfg node.Config, cmd *cobra.Command) (err error) {
	if err := cfg.Check(); err != nil {
		return err
	}
	owner, err := control.LookupOwner(cfg.SocketOwner)
	if err != nil {
		return err
	}
	ctx, stop := untilHangup(ctx)
	defer stop()
	out, err := newLogWriter(cfg.Log, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer out.Close()
	log := newLog(out, cfg.Verbose)
	defer onReopen(func() { reopen(out, log) })()
	gvlog.SetTarget(gvisorLog{log})
	jan, err := janitor.Start("janitor")
	if err != nil {
		return err
	}
	// Last, and in any case: the janitor undoes the changes that would be left behind.
	defer func() { err = errors.Join(err, jan.Close()) }()

	// Clients that connect now get their answers once the node has started.
	path := cmp.Or(cfg.Socket, control.DefaultSocket())
	l, err := control.Listen(path, owner, jan.Remove)
	if err != nil {
		return err
	}
	n, err := node.Start(cfg, log, jan)
	if err != nil {
		l.Close()
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	srv := control.Serve(l, n, log)
	defer func() { err = errors.Join(err, srv.Close()) }()

	st := n.Status()
	log.Info("up", "device", st.Device, "driver", st.Driver, "host", fmt.Sprint(st.Host), "addresses", fmt.Sprint(st.Addresses), "policy", st.Policy, "socket", path)
	select {
	case <-ctx.Done():
		log.Info("going down")
		return nil
	case <-n.Done():
		return n.Err()
	}
}

// newLog returns a logger of lines of text.
func newLog(out io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
}

// reopen goes on with the log in a new file of the same name.
func reopen(out *logWriter, log *slog.Logger) {
	if err := out.Reopen(); err != nil {
		log.Warn("the log goes on in the file that is open", "err", err)
	}
}
