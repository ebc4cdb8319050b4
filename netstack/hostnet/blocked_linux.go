// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"

	"github.com/google/nftables"
)

// Blocked looks for a firewall of the host that may drop packets forwarded between
// device and the uplinks. Such a firewall is a chain of any nftables table that drops a
// packet unless one of its rules accepts it. Chains of iptables-nft are included.
// reason is empty if there is none. Blocked looks at no rules, and at no tables of a
// legacy iptables.
func Blocked(device string) (reason string, err error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return "", fmt.Errorf("hostnet: %w", explainNFT(err))
	}
	defer conn.CloseLasting()
	chains, err := conn.ListChains()
	if err != nil {
		return "", fmt.Errorf("hostnet: list chains: %w", explainNFT(err))
	}
	for _, c := range chains {
		if c.Hooknum == nil || *c.Hooknum != *nftables.ChainHookForward || c.Policy == nil || *c.Policy != nftables.ChainPolicyDrop {
			continue
		}
		if family := familyName(c.Table.Family); family != "" {
			return fmt.Sprintf("chain %s of the nftables table %s %s drops what none of its rules accepts: "+
				"have it accept what comes in or goes out by %s (nft insert rule %[2]s %[3]s %[1]s iifname %[4]s accept; the same with oifname)",
				c.Name, family, c.Table.Name, device), nil
		}
	}
	return "", nil
}

// familyName is empty for families whose forward hook, of the same number, is not
// about IP.
func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	default:
		return ""
	}
}
