// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/netstack"
)

const (
	// MinPingInterval stops pings from becoming a flood.
	MinPingInterval = 10 * time.Millisecond

	// MaxPingTimeout stops a ping from waiting longer than anybody watches.
	MaxPingTimeout = time.Minute

	// pingSize is the size of ping(8)'s messages, in bytes of data.
	pingSize = 56

	// settleTimeout bounds the wait for the outcome of a negotiation, which is
	// known after a round trip.
	settleTimeout = 5 * time.Second
)

// PingRequest asks for pings of a host: with a Port, of the way that a migration of a
// connection to it would take.
type PingRequest struct {
	Host     string        `json:"host"`
	Port     uint16        `json:"port,omitempty"`
	Count    int           `json:"count,omitempty"` // 0 means without end
	Interval time.Duration `json:"interval"`        // from one to the next
	Timeout  time.Duration `json:"timeout"`         // of each
}

// PingEvent has one of its fields set. The first is the target, an error is the
// last.
type PingEvent struct {
	Target *PingTarget `json:"target,omitempty"`
	Reply  *PingReply  `json:"reply,omitempty"`
	Error  string      `json:"error,omitempty"`
}

// PingTarget is the target of a ping.
type PingTarget struct {
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port,omitempty"`

	// Of a connection: whether it can migrate, and with which suite or why not.
	Migratable bool   `json:"migratable,omitempty"`
	Suite      string `json:"suite,omitempty"`
	Why        string `json:"why,omitempty"`
}

// PingReply is how a ping ended.
type PingReply struct {
	Seq   int     `json:"seq"`
	RTTMS float64 `json:"rtt_ms,omitempty"`
	TTL   uint8   `json:"ttl,omitempty"` // of an echo reply
	Error string  `json:"error,omitempty"`
}

var errNoReply = errors.New("no answer in time")

// Check returns an error if r is wrong. The error is an [ErrConfig].
func (r PingRequest) Check() error {
	switch {
	case r.Host == "":
		return fmt.Errorf("%w: ping: name a host", ErrConfig)
	case r.Count < 0:
		return fmt.Errorf("%w: ping: count %d: want at least 1, or 0 for no end", ErrConfig, r.Count)
	case r.Interval < MinPingInterval:
		return fmt.Errorf("%w: ping: interval %v: want at least %v", ErrConfig, r.Interval, MinPingInterval)
	case r.Timeout <= 0 || r.Timeout > MaxPingTimeout:
		return fmt.Errorf("%w: ping: timeout %v: want more than 0, and at most %v", ErrConfig, r.Timeout, MaxPingTimeout)
	}
	return nil
}

// Ping pings by the stack and tells how it goes, until the count is reached, tell
// fails or ctx ends.
func (n *Node) Ping(ctx context.Context, req PingRequest, tell func(PingEvent) error) error {
	if err := req.Check(); err != nil {
		return err
	}
	ctx, cancel := n.bound(ctx)
	defer cancel()
	if req.Port != 0 {
		return n.pingPath(ctx, req, tell)
	}
	return n.pingEcho(ctx, req, tell)
}

// pingEcho sends ICMP echo requests.
func (n *Node) pingEcho(ctx context.Context, req PingRequest, tell func(PingEvent) error) error {
	p, to, err := n.newPinger(ctx, req.Host)
	if err != nil {
		return explainDial(err)
	}
	defer p.Close()
	if err := tell(PingEvent{Target: &PingTarget{Address: to}}); err != nil {
		return err
	}
	data := make([]byte, pingSize)
	return req.repeat(ctx, tell, func(ctx context.Context) (PingReply, error) {
		r, err := p.Ping(ctx, data)
		return PingReply{RTTMS: stats.Milliseconds(r.RTT), TTL: r.TTL}, err
	})
}

// newPinger takes the first address of host that has a route.
func (n *Node) newPinger(ctx context.Context, host string) (p *netstack.Pinger, to netip.Addr, err error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, to, err
	}
	var errs []error
	for _, a := range addrs {
		p, err := n.host.Stack.NewPinger(a)
		if err == nil {
			return p, a.Unmap(), nil
		}
		errs = append(errs, err)
	}
	return nil, to, errors.Join(errs...)
}

// pingPath opens a connection and asks its peer whether it may move, each time from a new
// port. To NATs and firewalls, that is a migration. The connection stays where it is.
func (n *Node) pingPath(ctx context.Context, req PingRequest, tell func(PingEvent) error) error {
	c, err := n.Dial(ctx, KindPing, net.JoinHostPort(req.Host, strconv.Itoa(int(req.Port))), false)
	if err != nil {
		return err
	}
	defer n.Drop(c, nil)
	target := n.pingTarget(ctx, c)
	if err := tell(PingEvent{Target: target}); err != nil || !target.Migratable {
		return err
	}
	return req.repeat(ctx, tell, func(ctx context.Context) (PingReply, error) {
		begin := time.Now()
		rtt, err := probe(ctx, c.Conn)
		if rtt == 0 { // it was repeated
			rtt = time.Since(begin)
		}
		return PingReply{RTTMS: stats.Milliseconds(rtt)}, err
	})
}

// pingTarget says whether a connection can migrate, once it knows.
func (n *Node) pingTarget(ctx context.Context, c *Conn) *PingTarget {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, errNoReply)
	defer cancel()
	err := c.AwaitMigratable(ctx)
	m := c.Migration()
	t := &PingTarget{Address: m.Current.Remote.Addr(), Port: m.Current.Remote.Port(), Migratable: err == nil}
	if err == nil {
		t.Suite = m.Suite.String()
	} else {
		t.Why = err.Error()
	}
	return t
}

// probe probes a path from a new port of the same address.
func probe(ctx context.Context, c *endpoint.Conn) (time.Duration, error) {
	p, err := c.AddPath(netip.AddrPortFrom(c.Migration().Current.Local.Addr(), 0))
	if err != nil {
		return 0, err
	}
	state, err := p.Probe(ctx)
	return state.RTT, err
}

// repeat pings and tells of it. The time of a ping counts into the interval.
func (r PingRequest) repeat(ctx context.Context, tell func(PingEvent) error, ping func(context.Context) (PingReply, error)) error {
	tick := time.NewTicker(r.Interval)
	defer tick.Stop()
	for seq := 1; ; seq++ {
		limited, cancel := context.WithTimeoutCause(ctx, r.Timeout, errNoReply)
		reply, err := ping(limited)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if reply.Seq = seq; err != nil {
			reply = PingReply{Seq: seq, Error: err.Error()}
		}
		if err := tell(PingEvent{Reply: &reply}); err != nil || seq == r.Count {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// bound returns a context that ends with the node as well.
func (n *Node) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(n.ctx, func() { cancel(context.Cause(n.ctx)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}
