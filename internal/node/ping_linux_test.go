// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/internal/measure/stats"
)

// pings returns the target and the replies of pings.
func pings(t *testing.T, n *Node, req PingRequest) (*PingTarget, []PingReply, error) {
	t.Helper()
	if req.Interval == 0 {
		req.Interval = MinPingInterval
	}
	if req.Timeout == 0 {
		req.Timeout = patience / 2
	}
	var target *PingTarget
	var replies []PingReply
	err := n.Ping(newContext(t), req, func(ev PingEvent) error {
		if ev.Target != nil {
			target = ev.Target
		} else {
			replies = append(replies, *ev.Reply)
		}
		return nil
	})
	return target, replies, err
}

func TestPingEcho(t *testing.T) {
	const delay = 5 * time.Millisecond
	p := newPair(t, delay)
	target, replies, err := pings(t, p.client, PingRequest{Host: serverAddr, Count: 3})
	must(t, err)
	if target.Address.String() != serverAddr || len(replies) != 3 {
		t.Fatalf("%+v: %+v", target, replies)
	}
	for i, r := range replies {
		// Two routers are on the way.
		if r.Seq != i+1 || r.Error != "" || r.TTL != 62 || r.RTTMS < stats.Milliseconds(2*delay) {
			t.Errorf("%+v", r)
		}
	}
}

func TestPingEchoNoAnswer(t *testing.T) {
	p := newPair(t, 0)
	_, replies, err := pings(t, p.client, PingRequest{Host: "10.2.0.9", Count: 2, Timeout: 20 * time.Millisecond})
	must(t, err)
	for _, r := range replies {
		if r.Error != errNoReply.Error() || r.RTTMS != 0 {
			t.Errorf("%+v", r)
		}
	}
	if len(replies) != 2 {
		t.Errorf("%d replies", len(replies))
	}
}

func TestPingPath(t *testing.T) {
	needPatched(t)
	const delay = 5 * time.Millisecond
	p := newPair(t, delay)
	p.serveBench(t) // it says nothing before it is asked
	target, replies, err := pings(t, p.client, PingRequest{Host: serverAddr, Port: DefaultBenchPort, Count: 3})
	must(t, err)
	if !target.Migratable || target.Suite == "" || len(replies) != 3 {
		t.Fatalf("%+v: %+v", target, replies)
	}
	for _, r := range replies {
		if r.Error != "" || r.RTTMS < stats.Milliseconds(2*delay) {
			t.Errorf("%+v", r)
		}
	}
	if open := p.client.Status().Connections; len(open) > 0 {
		t.Errorf("open: %+v", open)
	}
}

// TestPingPathFirewall has a firewall between the nodes that lets no new connection in
// once the connection is there. A migration would not get through, and the ping says so.
func TestPingPathFirewall(t *testing.T) {
	needPatched(t)
	p := newPair(t, 0)
	p.serveBench(t)
	var replies []PingReply
	err := p.client.Ping(newContext(t), PingRequest{
		Host: serverAddr, Port: DefaultBenchPort, Count: 1, Interval: MinPingInterval, Timeout: 200 * time.Millisecond,
	}, func(ev PingEvent) error {
		if ev.Target != nil {
			return p.hosts[1].Firewall(kernel.FirewallConfig{})
		}
		replies = append(replies, *ev.Reply)
		return nil
	})
	must(t, err)
	if len(replies) != 1 || replies[0].Error == "" {
		t.Errorf("%+v", replies)
	}
}

// TestPingPathPlain pings a port of the kernel.
func TestPingPathPlain(t *testing.T) {
	p := newPair(t, 0)
	l, err := p.hosts[1].Listen(t.Context(), "tcp", "10.2.0.1:0")
	must(t, err)
	defer l.Close()
	target, replies, err := pings(t, p.client, PingRequest{Host: "10.2.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), Count: 3})
	must(t, err)
	if target.Migratable || target.Why == "" || len(replies) != 0 {
		t.Errorf("%+v: %+v", target, replies)
	}
}

func TestPingRefused(t *testing.T) {
	p := newPair(t, 0)
	for _, req := range []PingRequest{
		{},
		{Host: serverAddr, Count: -1, Interval: time.Second, Timeout: time.Second},
		{Host: serverAddr, Interval: MinPingInterval - 1, Timeout: time.Second},
		{Host: serverAddr, Interval: time.Second},
		{Host: serverAddr, Interval: time.Second, Timeout: MaxPingTimeout + 1},
	} {
		err := p.client.Ping(t.Context(), req, func(PingEvent) error { return nil })
		if !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", req, err)
		}
	}
	_, _, err := pings(t, p.client, PingRequest{Host: serverAddr, Port: 9})
	if err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Error(err)
	}
}

// TestPingEnds pings without end, until nobody wants to know.
func TestPingEnds(t *testing.T) {
	p := newPair(t, 0)
	ctx, cancel := context.WithCancel(newContext(t))
	defer cancel()
	replies := 0
	err := p.client.Ping(ctx, PingRequest{Host: serverAddr, Interval: MinPingInterval, Timeout: patience / 2}, func(ev PingEvent) error {
		if ev.Reply != nil {
			if replies++; replies == 3 {
				cancel()
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || replies != 3 {
		t.Errorf("%d replies, %v", replies, err)
	}
}
