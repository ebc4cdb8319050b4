// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// NATConfig is how a [Namespace.Masquerade] translates.
type NATConfig struct {
	IPv6 bool // translate IPv6 too, which is not usual
}

const natTable = "nat"

// Masquerade makes the namespace a router that translates the source addresses of
// packets. Packets that leave by device out get the address of that device. It is a NAT
// with address- and port-dependent filtering (RFC 4787, section 5), as Linux does it.
// It keeps the ports of the inside while they are free.
func (ns *Namespace) Masquerade(out string, cfg NATConfig) error {
	if err := ns.Forward(); err != nil {
		return err
	}
	return ns.replaceTable(natTable, func(r ruleset) {
		accept := nftables.ChainPolicyAccept
		post := r.conn.AddChain(&nftables.Chain{
			Name: "postrouting", Table: r.table, Type: nftables.ChainTypeNAT,
			Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource, Policy: &accept,
		})
		masquerade := []expr.Any{&expr.Masq{}}
		r.rule(post, device(expr.MetaKeyOIFNAME, out), network(unix.NFPROTO_IPV4), masquerade)
		if cfg.IPv6 {
			r.rule(post, device(expr.MetaKeyOIFNAME, out), network(unix.NFPROTO_IPV6), masquerade)
		}
	})
}
