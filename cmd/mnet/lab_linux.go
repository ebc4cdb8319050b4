// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/lab"
	"github.com/mnet-dev/mnet/netstack"
)

// labFlags are the flags of mnet lab.
type labFlags struct {
	rtt    time.Duration
	rate   bitRate
	scenes []string
	away   time.Duration
	linger time.Duration
	json   bool
	pause  bool
	keep   bool
}

func newLab() *cobra.Command {
	f := labFlags{rtt: lab.DefaultRTT, rate: lab.DefaultRate, away: lab.DefaultAway, linger: lab.DefaultLinger}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Roam between networks in a laboratory of network namespaces",
		Long: `Roam between networks: a laptop with Wi-Fi and LTE, behind a NAT each, and a server
behind a firewall, all of them network namespaces of this kernel. Two nodes run in
them (mnet up). A download and an interactive connection go on while uplinks go and
come back, and a download by the kernel's TCP beside them shows what would happen
without mnet.

Scenes:
` + sceneList() + `
What is measured:
  bulk, interactive  The longest time in which nothing arrived, from the last
                     arrival before the event on. In the scene "lid" it contains
                     the time without any uplink; "resumed" counts from its end.
  kernel TCP         alive, stalled or dead, at the end of the scene. Each scene
                     begins with a connection that is alive.

The exit code is 1 if a connection of mnet was lost or a byte was wrong. The host's
own network is not touched, and nothing is left behind. Needs root.`,
		Example: `  mnet lab
  mnet lab --scenes roam,return --rtt 200ms
  mnet lab --keep        # and look around with 'mnet status --watch'`,
		Args: usageArgs(cobra.NoArgs),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&f.rtt, "rtt", f.rtt, "round-trip time over either uplink")
	flags.Var(&f.rate, "rate", "rate of each uplink: kbit/s, Mbit/s, Gbit/s")
	flags.Var(wordSlice{&f.scenes, "strings"}, "scenes", "scenes to play (default all)")
	flags.DurationVar(&f.away, "away", f.away, `how long both uplinks are gone in "lid"`)
	flags.DurationVar(&f.linger, "linger", f.linger, "how long a scene goes on when all is well again")
	flags.BoolVar(&f.json, "json", false, "print a JSON object for each scene, and one at the end")
	flags.BoolVar(&f.pause, "pause", false, "wait for Enter before each scene")
	flags.BoolVar(&f.keep, "keep", false, "play nothing: tell how to get into the namespaces, until interrupted")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.keep && (f.json || f.pause || len(f.scenes) > 0) {
			return &usageError{cmd, errors.New("--keep plays no scenes: leave out --json, --pause and --scenes")}
		}
		// The zero value of a setting is its default.
		if f.rtt <= 0 || f.away <= 0 || f.linger <= 0 {
			return &usageError{cmd, errors.New("--rtt, --away and --linger have to be above 0")}
		}
		err := runLab(cmd, &f)
		if errors.Is(err, lab.ErrConfig) {
			return &usageError{cmd, err}
		}
		return err
	}
	return cmd
}

func sceneList() (text string) {
	for _, s := range lab.Scenes {
		text += fmt.Sprintf("  %-6s  %s\n", s.Name, s.Title)
	}
	return text
}

func runLab(cmd *cobra.Command, f *labFlags) (err error) {
	if err := netstack.Patched(); err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	l, err := lab.Start(ctx, lab.Config{
		RTT: f.rtt, Rate: int64(f.rate), Scenes: f.scenes, Away: f.away, Linger: f.linger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if f.keep {
		printNodes(out, l.Nodes())
		<-ctx.Done()
		return nil
	}
	var (
		hooks lab.Hooks
		text  *labText
	)
	if f.json {
		enc := json.NewEncoder(out)
		hooks.After = func(r lab.Result) { _ = enc.Encode(r) } // the report's error tells
	} else {
		fmt.Fprintf(out, "a client with two uplinks, each %s and %v away from a server\n", &f.rate, f.rtt)
		text = newLabText(out)
		hooks = text.hooks()
	}
	if f.pause {
		hooks.Before = pause(hooks.Before, bufio.NewReader(cmd.InOrStdin()), cmd.ErrOrStderr())
	}
	report, err := l.Run(ctx, hooks)
	if text != nil {
		text.print("") // the live line makes way
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if f.json {
		err = json.NewEncoder(out).Encode(report)
	} else {
		err = printLab(out, report)
	}
	return errors.Join(err, report.Err())
}

// printNodes tells how to look around.
func printNodes(w io.Writer, nodes []lab.Node) {
	for _, n := range nodes {
		fmt.Fprintf(w, "%s:\n", n.Name)
		fmt.Fprintf(w, "  nsenter -t %d -n                      # a shell in its network namespace\n", n.PID)
		fmt.Fprintf(w, "  mnet status --watch --socket %s\n", n.Socket)
	}
	fmt.Fprintln(w, "All of it goes when this ends: Ctrl-C.")
}

// pause waits for a line of input after before.
func pause(before func(context.Context, lab.Scene) error, in *bufio.Reader, prompt io.Writer) func(context.Context, lab.Scene) error {
	return func(ctx context.Context, s lab.Scene) error {
		if before != nil {
			if err := before(ctx, s); err != nil {
				return err
			}
		}
		fmt.Fprint(prompt, "Enter: ")
		line := make(chan error, 1)
		go func() {
			_, err := in.ReadString('\n')
			line <- err
		}()
		select {
		case err := <-line:
			if err == io.EOF {
				return errors.New("--pause: the input has ended")
			}
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
