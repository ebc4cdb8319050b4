// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/google/nftables"
)

// Probe finds out whether the kernel takes the rules of a [Share], and lets this
// process make them. They are made and deleted in one transaction: no packet sees them,
// and nothing is left in any case. The error is an [ErrPermission], an
// [errors.ErrUnsupported], or an error of the system.
func Probe() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("hostnet: %w", explainNFT(err))
	}
	device := fmt.Sprintf("probe-%d", os.Getpid())
	table := conn.AddTable(&nftables.Table{Name: tablePrefix + device, Family: nftables.TableFamilyINet})
	in := conn.AddChain(&nftables.Chain{Name: "prerouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest})
	out := conn.AddChain(&nftables.Chain{Name: "postrouting", Table: table, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
	host := netip.MustParseAddr("192.0.2.1") // RFC 5737: nobody's
	conn.AddRule(&nftables.Rule{Table: table, Chain: in, Exprs: redirectIn(device, Redirect{1, netip.AddrPortFrom(host, 1)})})
	conn.AddRule(&nftables.Rule{Table: table, Chain: out, Exprs: masquerade(device, netip.PrefixFrom(host, 32))})
	addClamp(conn, table, device)
	forward := conn.AddChain(forwardChain(table))
	guard := guardRules{shares: []string{device}, interfaces: []guardedInterface{{"ipv4", 1}}}
	for _, exprs := range guard.exprs() {
		conn.AddRule(&nftables.Rule{Table: table, Chain: forward, Exprs: exprs})
	}
	conn.DelTable(table)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("hostnet: %w", explainNFT(err))
	}
	return nil
}
