// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/nftables"
)

func TestBlocked(t *testing.T) {
	s := newSite(t)
	s.share(ShareConfig{Masquerade: bothFamilies})
	blocked := func() (reason string) {
		s.host.Must(s.host.Do(func() (err error) {
			reason, err = Blocked(device)
			return err
		}))
		return reason
	}
	if reason := blocked(); reason != "" {
		t.Errorf("without a firewall: %s", reason)
	}
	for _, c := range []struct {
		hook   *nftables.ChainHook
		policy nftables.ChainPolicy
		want   bool
	}{
		{nftables.ChainHookInput, nftables.ChainPolicyDrop, false},
		{nftables.ChainHookForward, nftables.ChainPolicyAccept, false},
		{nftables.ChainHookForward, nftables.ChainPolicyDrop, true},
	} {
		s.host.Must(s.host.Do(func() error {
			conn, err := nftables.New()
			if err != nil {
				return err
			}
			firewall := conn.AddTable(&nftables.Table{Name: "firewall", Family: nftables.TableFamilyIPv4})
			conn.AddChain(&nftables.Chain{
				Name: fmt.Sprintf("hook%d-%d", *c.hook, c.policy), Table: firewall, Type: nftables.ChainTypeFilter,
				Hooknum: c.hook, Priority: nftables.ChainPriorityFilter, Policy: &c.policy,
			})
			return conn.Flush()
		}))
		if reason := blocked(); (reason != "") != c.want || c.want && !strings.Contains(reason, "nft insert rule ip firewall hook2-0 iifname mnet0 accept") {
			t.Errorf("hook %d, policy %d: %q", *c.hook, c.policy, reason)
		}
	}
}
