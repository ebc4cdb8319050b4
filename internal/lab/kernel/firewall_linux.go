// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// FirewallConfig configures a [Namespace.Firewall].
type FirewallConfig struct {
	// Inside are the devices that new connections may come in by.
	Inside []string
	// Ports are the TCP ports to which new connections may be opened from
	// anywhere.
	Ports []uint16
	// Reject answers packets that are not admitted with an ICMP error. Else they are
	// dropped silently.
	Reject bool
	// CloseInput protects the namespace's own addresses, too: only replies get in.
	// Without it, the kernel answers stray segments to them with a RST. A NAT does that
	// to connections that it has forgotten.
	CloseInput bool
}

const (
	filterTable    = "filter"
	invalidCounter = "invalid"
)

// Firewall makes the namespace a stateful firewall. Packets of a known connection pass.
// Packets that connection tracking calls invalid are dropped and counted. New
// connections pass as the configuration says. Neighbour discovery and echo requests to
// the namespace itself always get in. A later call replaces the rules.
func (ns *Namespace) Firewall(cfg FirewallConfig) error {
	if err := ns.Forward(); err != nil {
		return err
	}
	return ns.replaceTable(filterTable, func(r ruleset) {
		r.conn.AddObj(&nftables.CounterObj{Table: r.table, Name: invalidCounter})
		forward := r.chain("forward", nftables.ChainHookForward, nftables.ChainPolicyDrop)
		r.rule(forward, state(expr.CtStateBitINVALID), count(invalidCounter), verdict(expr.VerdictDrop))
		r.rule(forward, state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), verdict(expr.VerdictAccept))
		for _, dev := range cfg.Inside {
			r.rule(forward, device(expr.MetaKeyIIFNAME, dev), state(expr.CtStateBitNEW), verdict(expr.VerdictAccept))
		}
		for _, port := range cfg.Ports {
			r.rule(forward, transport(unix.IPPROTO_TCP), destinationPort(port), state(expr.CtStateBitNEW), verdict(expr.VerdictAccept))
		}
		if cfg.Reject {
			r.rule(forward, reject())
		}
		if cfg.CloseInput {
			input := r.chain("input", nftables.ChainHookInput, nftables.ChainPolicyDrop)
			r.rule(input, state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), verdict(expr.VerdictAccept))
			r.rule(input, device(expr.MetaKeyIIFNAME, "lo"), verdict(expr.VerdictAccept))
			r.rule(input, transport(unix.IPPROTO_ICMP), verdict(expr.VerdictAccept))
			r.rule(input, transport(unix.IPPROTO_ICMPV6), verdict(expr.VerdictAccept))
		}
	})
}

// InvalidDropped returns how many packets the firewall did not forward because
// connection tracking calls them invalid. It does not count packets for an address of
// the namespace itself: see [Namespace.ConntrackInvalid]. A packet from outside that a
// NAT cannot translate back is such a packet.
func (ns *Namespace) InvalidDropped() (uint64, error) {
	var packets uint64
	err := ns.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return ns.wrap(err)
		}
		table := &nftables.Table{Name: filterTable, Family: nftables.TableFamilyINet}
		obj, err := conn.GetObject(&nftables.CounterObj{Table: table, Name: invalidCounter})
		if errors.Is(err, unix.ENOENT) {
			return ns.wrap(fmt.Errorf("no counter of invalid packets (%w): call Firewall first", err))
		} else if err != nil {
			return ns.wrap(err)
		}
		counter, ok := obj.(*nftables.CounterObj)
		if !ok {
			return ns.wrap(fmt.Errorf("the counter of invalid packets is a %T", obj))
		}
		packets = counter.Packets
		return nil
	})
	return packets, err
}
