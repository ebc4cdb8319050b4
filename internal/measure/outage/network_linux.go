// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

const (
	rate  = 50e6      // of an uplink, in bit/s
	queue = 256 << 10 // of an uplink, in bytes

	mnetPort   = 7000
	kernelPort = 7001
)

// The networks of the TUN devices. The client's stack has an address for each
// uplink.
var (
	clientHost  = netip.MustParsePrefix("10.77.0.1/24")
	clientAddrs = [2]netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("10.77.0.3/24")}
	serverHost  = netip.MustParsePrefix("10.88.0.1/24")
	serverAddr  = netip.MustParsePrefix("10.88.0.2/24")
)

// network is the network on which handovers are measured.
type network struct {
	*kernel.Topology
	mode Mode
	at   int // the uplink in use

	net            *kernel.Network
	client, server *host.Host // nil before they are opened
	service        *service
}

// newNetwork builds it. observe gets the events of the client's Roamer; nil means
// nobody does.
func newNetwork(ctx context.Context, mode Mode, rtt time.Duration, observe func(endpoint.RoamEvent)) (_ *network, err error) {
	n := &network{mode: mode, service: newService()}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.net, err = kernel.New(); err != nil {
		return nil, err
	}
	n.Topology, err = n.net.Topology(kernel.TopologyConfig{
		Uplinks:     [2]kernel.WireConfig{wire(rtt), wire(rtt)},
		ServerPorts: []uint16{mnetPort, kernelPort},
	})
	if err != nil {
		return nil, err
	}
	if err := n.openServer(ctx); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if err := n.calibrate(ctx, rtt); err != nil {
		return nil, fmt.Errorf("measure the round-trip time: %w", err)
	}
	if err := n.openClient(ctx, observe); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return n, nil
}

func (n *network) openServer(ctx context.Context) (err error) {
	n.server, err = openHost(ctx, n.Server, host.Config{
		Host:      []netip.Prefix{serverHost},
		Addresses: []netip.Prefix{serverAddr},
		Ports:     []uint16{mnetPort},
	})
	if err != nil {
		return err
	}
	lc := endpoint.ListenConfig{Stack: n.server.Stack}
	ln, err := lc.Listen(ctx, "tcp4", fmt.Sprintf(":%d", mnetPort))
	if err != nil {
		return err
	}
	n.service.serve(ln)
	ln, err = n.Server.Listen(ctx, "tcp4", fmt.Sprintf(":%d", kernelPort))
	if err != nil {
		return err
	}
	n.service.serve(ln)
	return nil
}

func (n *network) openClient(ctx context.Context, observe func(endpoint.RoamEvent)) (err error) {
	cfg := host.Config{
		Host:       []netip.Prefix{clientHost},
		Addresses:  clientAddrs[:1],
		Masquerade: true,
		Moved:      observe,
	}
	if n.mode == MakeBeforeBreak {
		cfg.Addresses = clientAddrs[:]
		for i, a := range cfg.Addresses {
			own := netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
			if err := n.Client.AddRule(own, n.Uplinks[i].Table()); err != nil {
				return err
			}
		}
	} else {
		n.Uplinks[1].Wire().SetDown(true)
	}
	n.client, err = openHost(ctx, n.Client, cfg)
	return err
}

// handover changes the uplinks as the mode says, and returns the instant.
func (n *network) handover() (time.Time, error) {
	from, to := n.Uplinks[n.at], n.Uplinks[1-n.at]
	n.at = 1 - n.at
	at := time.Now()
	if n.mode == MakeBeforeBreak {
		return at, nil
	}
	to.Wire().SetDown(false)
	from.Wire().SetDown(true)
	return at, from.Down(kernel.AddressGone)
}

// rest makes ready for the next handover, back to the uplink that was left.
func (n *network) rest() error {
	if n.mode == MakeBeforeBreak {
		return nil
	}
	// In this order the host's best uplink stays the same, so that no Roamer moves.
	if err := n.Prefer(n.at); err != nil {
		return err
	}
	spare := n.Uplinks[1-n.at]
	if err := spare.Up(); err != nil {
		return err
	}
	spare.Wire().SetDown(true)
	return nil
}

func (n *network) close() error {
	n.service.close()
	var errs []error
	for _, h := range []*host.Host{n.client, n.server} {
		if h != nil {
			errs = append(errs, h.Close())
		}
	}
	if n.net != nil {
		n.net.Close()
	}
	return errors.Join(errs...)
}
