// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// TestWatchRuleStorm has rules come and go many times in a row.
func TestWatchRuleStorm(t *testing.T) {
	const changes = 200
	w := watchHost(t, func(w *watched) { w.ethernetUp(); w.vpnUp() })
	w.await(ethernet, ethernet6)
	start := time.Now()
	inner := vpnRules(netlink.FAMILY_V4)[0]
	for range changes {
		w.AddRule(inner)
		w.DelRule(inner)
	}
	w.AddRoute(w.DefaultRoute("wlan0", "", 600)) // the end of it
	w.Addr("wlan0", "198.51.100.7/24")
	told := 0
	for last := []string(nil); !slices.Equal(last, []string{ethernet, "wlan0 from 198.51.100.7", ethernet6}); told++ {
		last = describe(w.next().Uplinks)
	}
	if most := int(time.Since(start)/settle) + 2; told > most {
		t.Errorf("%d states told, at most %d take their time", told, most)
	}
}

// TestReadIsNoNews: to read the tables causes no messages, or they would be read for
// ever.
func TestReadIsNoNews(t *testing.T) {
	w := watchHost(t, (*watched).ethernetUp)
	w.await(ethernet, ethernet6)
	var events *nl.NetlinkSocket
	w.Must(w.Do(func() (err error) {
		events, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
			unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
		return err
	}))
	defer events.Close()
	for range 10 {
		ups, _, err := readUplinks(w.h, Watcher{})
		w.Must(err)
		if got := describe(ups); !slices.Equal(got, []string{ethernet, ethernet6}) {
			t.Fatalf("read %q", got)
		}
	}
	w.AddRule(Rule(netlink.FAMILY_V4, 10, 7))
	for {
		msgs, _, err := events.Receive()
		w.Must(err)
		// Link-local routes may still be on their way.
		if i := slices.IndexFunc(msgs, relevant); i >= 0 {
			if typ := msgs[i].Header.Type; typ != unix.RTM_NEWRULE {
				t.Errorf("a message of type %d, want that of the rule", typ)
			}
			return
		}
	}
}

// TestRelevant: of many routes, only the ones that lead out count.
func TestRelevant(t *testing.T) {
	n := NewNamespace(t)
	n.Set("ipv6/conf/default/disable_ipv6", "1") // its own routes would come in between
	n.Connect("eth0", NewNamespace(t), "weth0")
	n.Addr("eth0", "192.0.2.7/24")
	var events *nl.NetlinkSocket
	n.Must(n.Do(func() (err error) {
		events, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE)
		return err
	}))
	defer events.Close()
	for dst, want := range map[string]bool{
		"0.0.0.0/0": true, "128.0.0.0/1": true, "192.0.0.0/9": true, "0.0.0.0/1": false, "10.0.0.0/8": false, "203.0.113.0/24": false,
	} {
		r := n.DefaultRoute("eth0", "192.0.2.1", 0)
		r.Dst = ipNet(dst)
		n.AddRoute(r)
		msgs, _, err := events.Receive()
		n.Must(err)
		for _, m := range msgs {
			if got := relevant(m); got != want {
				t.Errorf("%s: relevant %v, want %v", dst, got, want)
			}
		}
	}
	n.AddRule(Rule(netlink.FAMILY_V4, 10, 7))
	msgs, _, err := events.Receive()
	n.Must(err)
	if len(msgs) != 1 || !relevant(msgs[0]) {
		t.Errorf("%d messages, a rule is not relevant", len(msgs))
	}
}
