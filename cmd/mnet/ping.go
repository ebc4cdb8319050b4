// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
)

func newPing() *cobra.Command {
	var (
		req    node.PingRequest
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "ping HOST [PORT]",
		Short: "Find out whether a host answers, and whether connections to it can migrate",
		Long: `Without a port, send ICMP echo requests by the node's stack, like ping(8).

With a port, connect to it, say whether the connection can migrate, and ask the peer
again and again from a new port whether it may move there. What answers proves that a
migration would get through all NATs and firewalls on the way; the connection itself
stays where it is.

It ends with -c, or when it is interrupted. The exit code is 1 if there was no answer.`,
		Example: `  mnet ping -c 3 server
  mnet ping -c 3 server 22`,
		Args: usageArgs(cobra.RangeArgs(1, 2)),
	}
	fs := cmd.Flags()
	fs.IntVarP(&req.Count, "count", "c", 0, "number of pings (default: until interrupted)")
	fs.DurationVarP(&req.Interval, "interval", "i", time.Second, "time from one to the next")
	fs.DurationVarP(&req.Timeout, "timeout", "W", 2*time.Second, "how long each waits for its answer")
	fs.BoolVar(&asJSON, "json", false, "print JSON objects, one a line")
	return clientCommand(cmd, func(cmd *cobra.Command, args []string, c *control.Client) error {
		req.Host = args[0]
		if len(args) == 2 {
			port, err := node.ParsePort(args[1])
			if err != nil {
				return &usageError{cmd, err}
			}
			req.Port = port
		}
		if err := req.Check(); err != nil {
			return &usageError{cmd, err}
		}
		p := &pinging{out: cmd.OutOrStdout(), json: asJSON, name: args[0]}
		err := c.Ping(cmd.Context(), req, p.event)
		return p.end(err)
	})
}

// pinging prints the results of pings.
type pinging struct {
	out  io.Writer
	json bool
	name string

	target *node.PingTarget
	sum    pingSummary
}

// pingSummary is printed at the end. Times are in ms.
type pingSummary struct {
	Sent     int     `json:"sent"`
	Answered int     `json:"answered"`
	LossPct  float64 `json:"loss_percent"`
	Min      float64 `json:"min_ms"`
	Avg      float64 `json:"avg_ms"`
	Max      float64 `json:"max_ms"`
}

func (s *pingSummary) add(r *node.PingReply) {
	s.Sent++
	if r.Error == "" {
		if s.Answered == 0 || r.RTTMS < s.Min {
			s.Min = r.RTTMS
		}
		s.Max = max(s.Max, r.RTTMS)
		s.Answered++
		s.Avg += (r.RTTMS - s.Avg) / float64(s.Answered)
	}
	s.LossPct = 100 * float64(s.Sent-s.Answered) / float64(s.Sent)
}

// event takes an event of the node.
func (p *pinging) event(ev node.PingEvent) error {
	if ev.Error != "" {
		return errors.New(ev.Error)
	}
	if ev.Target != nil {
		p.target = ev.Target
	}
	if ev.Reply != nil {
		p.sum.add(ev.Reply)
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(ev)
	}
	_, err := fmt.Fprintln(p.out, p.line(ev))
	return err
}

// line is an event for people.
func (p *pinging) line(ev node.PingEvent) string {
	t, r := p.target, ev.Reply
	switch {
	case r == nil && t.Port == 0:
		return fmt.Sprintf("ping %s (%v)", p.name, t.Address)
	case r == nil && t.Migratable:
		return fmt.Sprintf("%s (%v) port %d: can migrate, %s", p.name, t.Address, t.Port, t.Suite)
	case r == nil:
		return fmt.Sprintf("%s (%v) port %d: cannot migrate: %s", p.name, t.Address, t.Port, t.Why)
	case r.Error != "":
		return fmt.Sprintf("%d: %s", r.Seq, r.Error)
	case t.Port == 0:
		return fmt.Sprintf("%d: answer from %v, ttl %d, %.2f ms", r.Seq, t.Address, r.TTL, r.RTTMS)
	default:
		return fmt.Sprintf("%d: the peer answers on a new path, %.2f ms", r.Seq, r.RTTMS)
	}
}

var errNoAnswer = errors.New("no answer")

// end prints the summary, and returns the error of the command.
func (p *pinging) end(err error) error {
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		return err
	case p.target == nil:
		return err
	case p.target.Port != 0 && !p.target.Migratable:
		return errors.New("connections to this port cannot migrate")
	}
	if p.json {
		err = json.NewEncoder(p.out).Encode(map[string]pingSummary{"summary": p.sum})
	} else {
		s := p.sum
		_, err = fmt.Fprintf(p.out, "\n%d sent, %d answered, %.0f %% lost\n", s.Sent, s.Answered, s.LossPct)
		if err == nil && s.Answered > 0 {
			_, err = fmt.Fprintf(p.out, "min %.2f ms, avg %.2f ms, max %.2f ms\n", s.Min, s.Avg, s.Max)
		}
	}
	if err == nil && p.sum.Answered == 0 {
		return errNoAnswer
	}
	return err
}
