// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// VethConfig is how a [Network.Veth] is made.
type VethConfig struct {
	MTU int // in bytes; zero means 1500
}

// Veth joins two namespaces by a pair of Ethernet devices, which are up: a link at
// the speed of the kernel. TCP segments travel it uncut, as large as 64 kB.
func (n *Network) Veth(a *Namespace, devA string, b *Namespace, devB string, cfg VethConfig) error {
	n.mu.Lock() // Close closes b.fd
	defer n.mu.Unlock()
	if n.closed {
		return fmt.Errorf("kernel: link %s to %s: %w", a.name, b.name, ErrClosed)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = devA, cfg.MTU
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = devB, netlink.NsFd(b.fd)
	err := a.Do(func() error {
		if err := a.rt.LinkAdd(veth); err != nil {
			return fmt.Errorf("kernel: link %s %s to %s %s: %w", a.name, devA, b.name, devB, err)
		}
		return a.SetUp(devA)
	})
	if err != nil {
		return err
	}
	return b.SetUp(devB)
}
