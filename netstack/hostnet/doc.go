// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package hostnet is the host's own network: what its uplinks are, and what it does
// for a stack that sits behind a TUN device (see netstack/tun).
//
// A [Watcher] tells the [State] of the host: its uplinks, which are its default
// routes over interfaces that work, and that it has been asleep. Which of them
// packets leave by is the kernel's answer, rules of policy routing included: a VPN
// that has a table of its own is an uplink as any other. It changes nothing.
//
// A [Share] lets a stack share the addresses of the host, as a router lets the
// machines behind it: out by masquerade, in by redirected ports. It is for Linux.
//
//	share, err := hostnet.NewShare(hostnet.ShareConfig{
//		Device:     "mnet0",
//		Masquerade: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32")},
//		Redirects:  []hostnet.Redirect{{Port: 443, To: netip.MustParseAddrPort("10.77.0.2:443")}},
//		Changed:    func(s hostnet.Setting) { ... }, // write it down
//	})
//	...
//	defer share.Close()
//	stop, err := share.Watch(func(st hostnet.State) { ... })
//
// Share.Watch keeps up with new uplinks; endpoint.HostMonitor makes it the monitor of
// a Roamer.
//
// # What it does to the host
//
// This is all that a Share changes, and how it is undone.
//
// One nftables table, inet mnet-DEVICE, of NAT only: it drops, marks and filters
// nothing.
//
//	table inet mnet-mnet0 {
//		flags owner
//		chain prerouting {
//			type nat hook prerouting priority dstnat
//			iifname != "mnet0" fib daddr type local meta nfproto ipv4 tcp dport 443 dnat ip to 10.77.0.2:443
//		}
//		chain output {
//			type nat hook output priority dstnat
//			fib daddr type local ip daddr != 127.0.0.0/8 tcp dport 443 dnat ip to 10.77.0.2:443
//		}
//		chain postrouting {
//			type nat hook postrouting priority srcnat
//			oifname != "mnet0" ip saddr 10.77.0.2/32 masquerade
//		}
//	}
//
// The table is owned by a socket of the process (NFT_TABLE_F_OWNER, Linux 5.12):
// nobody else can change it, and the kernel deletes it when the process ends,
// kill -9 included. An older kernel keeps it until Close, or until the next Share
// of that device replaces it. Connections that were translated stay so: they are
// conntrack's.
//
// These settings below /proc/sys/net, for the families that the configuration has
// addresses of:
//
//   - ipv4/conf/DEV/forwarding=1, for the device and for each uplink, as a packet is
//     forwarded if the interface that it came in by says so.
//   - ipv6/conf/DEV/force_forwarding=1, likewise (Linux 6.17).
//   - Without it ipv6/conf/all/forwarding=1, the only switch that an older kernel has.
//     It makes a router of the host, which stops listening to router advertisements
//     and would lose its own addresses and default route. So ipv6/conf/DEV/accept_ra
//     is raised from 1 to 2, which means "even so", first.
//
// Close puts each of them back, the last one first, unless somebody else has changed
// it since. A process that is killed cannot: so [ShareConfig.Changed] is told each
// [Setting] before it is changed, and [Setting.Restore] does the same for another
// process. Setting ipv6/conf/all/forwarding writes all interfaces' own switch; one
// that was on by itself is off after the way back.
//
// # Limits
//
// The uplink in use is that to the rest of the world. Routes and rules for some
// peers, ports or protocols only are not looked at, nor what a firewall of the host
// marks packets with.
//
// An interface without a carrier is no uplink, though the kernel sends by its routes
// until somebody, such as NetworkManager, removes them.
//
// A host with several uplinks sends the answers of redirected connections by its
// best one, whichever they came in by.
//
// A firewall of the host may still drop what is forwarded: a table can only drop, not
// accept in another's stead. [Blocked] looks for that.
//
// Where the host forwards, who shares a network with one of its uplinks can send to
// the stack's own addresses by way of the host, and so reach all ports that the stack
// listens on, redirected or not. Masquerade hides an address, it is no firewall. One
// of the host's that keeps strangers out, as for nftables:
//
//	oifname "mnet0" iifname != "mnet0" ct state new ct status & dnat == 0 drop
//
// # Network namespaces
//
// Everything is done in the network namespace of the threads that call Watch
// and NewShare; what happens later may run on any thread.
package hostnet
