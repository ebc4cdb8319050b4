// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"errors"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// device is the name of the TUN device in each namespace.
const device = "mnet0"

// node is a stack behind a TUN device of a host.
type node struct {
	stack  *netstack.Stack
	share  *hostnet.Share
	roamer *endpoint.Roamer
}

type nodeConfig struct {
	host       netip.Prefix   // of the host on the device
	addresses  []netip.Prefix // of the stack
	masquerade bool
	redirects  []hostnet.Redirect
	observe    func(endpoint.RoamEvent)
}

// openNode makes a node in a namespace.
func openNode(ns *kernel.Namespace, cfg nodeConfig) (*node, error) {
	n := &node{}
	if err := ns.Do(func() error { return n.open(cfg) }); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) open(cfg nodeConfig) (err error) {
	if n.stack, err = netstack.New(netstack.Config{}); err != nil {
		return err
	}
	link, err := tun.Open(tun.Config{Name: device})
	if err != nil {
		return err
	}
	if err := link.Configure([]netip.Prefix{cfg.host}, nil); err != nil {
		link.Close()
		return err
	}
	_, err = n.stack.Attach(link, netstack.AttachOptions{
		Addresses: cfg.addresses,
		Routes:    []netstack.Route{{Destination: netstack.Default4, Gateway: cfg.host.Addr()}},
	})
	if err != nil {
		return err
	}
	share := hostnet.ShareConfig{Device: device, Redirects: cfg.redirects}
	if cfg.masquerade {
		share.Masquerade = []netip.Prefix{cfg.host.Masked()}
	}
	if n.share, err = hostnet.NewShare(share); err != nil {
		return err
	}
	n.roamer, err = endpoint.NewRoamer(endpoint.RoamerConfig{
		Stack:   n.stack,
		Monitor: endpoint.HostMonitor(n.stack, n.share),
		Observe: cfg.observe,
	})
	return err
}

// close must not be called on the thread of the namespace: the device's link waits
// for others.
func (n *node) close() error {
	var errs []error
	if n.roamer != nil {
		errs = append(errs, n.roamer.Close())
	}
	if n.share != nil {
		errs = append(errs, n.share.Close())
	}
	if n.stack != nil {
		errs = append(errs, n.stack.Close())
	}
	return errors.Join(errs...)
}
