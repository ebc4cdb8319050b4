// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package hostnet is the host's own network. It watches the host's uplinks, and
// connects a stack behind a TUN device (see netstack/tun) to them.
//
// A [Watcher] reports the [State] of the host: its uplinks, and that it has been
// asleep. Uplinks are the host's default routes over interfaces that work. The kernel
// says which of them packets leave by, rules of policy routing included. So a VPN that
// has a table of its own is an uplink as any other. A Watcher changes nothing.
//
// A [Share] lets a stack share the addresses of the host, as a router does for machines
// behind it. Connections leave by masquerade, and come in by redirected ports. It is for
// Linux.
//
// A [Tracker] has the host's connection tracking forget connections that have moved away.
//
// A Share follows the uplinks by itself: packets that come in by a new one are forwarded.
// Share.Watch reports each change after that. Package endpoint/host opens a Share with
// the device and the stack, and makes it the monitor of a Roamer.
//
// # What it does to the host
//
// This is all that a Share changes, and how it is undone.
//
// It makes one nftables table, inet mnet-DEVICE. The table translates addresses, drops
// packets that the host would forward for others, and lowers the MSS of SYNs.
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
//		chain forward {
//			type filter hook forward priority filter
//			iifname "mnet0" accept
//			oifname "mnet0" ct state established,related accept
//			oifname "mnet0" ct status dnat accept
//			iif "wlan0" meta nfproto ipv4 drop
//		}
//		chain mss {
//			type filter hook forward priority mangle
//			iifname "mnet0" tcp flags syn tcp option maxseg size set rt mtu
//			oifname "mnet0" tcp flags syn tcp option maxseg size set rt mtu
//		}
//	}
//
// A socket of the process owns the table (NFT_TABLE_F_OWNER, Linux 5.12). Nobody else
// can change it, and the kernel deletes it when the process ends, kill -9 included. An
// older kernel keeps it until Close, or until the next Share of that device replaces
// it. Connections that were translated stay translated: conntrack holds them.
//
// It changes these settings below /proc/sys/net, for the families that the
// configuration has addresses of:
//
//   - ipv4/conf/DEV/forwarding=1, for the device, for each uplink, and for the way to a
//     peer that State.Route was asked for. The setting of the interface that a packet
//     came in by decides whether it is forwarded.
//   - ipv6/conf/DEV/force_forwarding=1, likewise (Linux 6.17).
//   - ipv6/conf/all/forwarding=1, if there is no force_forwarding: an older kernel has
//     no other switch. It makes a router of the host, which ignores router
//     advertisements and would lose its own addresses and default route. So
//     ipv6/conf/DEV/accept_ra is raised from 1 to 2 first, which means "even so".
//
// Close puts each of them back, the last one first, unless somebody else has changed it
// since or has made a router of the host. A process that is killed cannot. So [ShareConfig.Changed] is told each
// [Setting] before it is changed, and [Setting.Restore] does the same for another
// process. Setting ipv6/conf/all/forwarding writes the switch of every interface. A
// switch that was on by itself is off after the way back.
//
// The MSS is lowered to the MTU of the uplink, as a router does whose network filters
// ICMP. The stack itself knows the MTU of the device only.
//
// # What it does not forward
//
// The last chain drops packets that come in by an interface whose forwarding the Share
// has turned on. It lets pass what belongs to a connection of the stack, or comes by a
// redirected port. If the Share had to turn IPv6 forwarding on for all interfaces, the
// chain has no interface: the host has forwarded nothing before. Interfaces that
// forwarded before go on. So do frames between a bridge's ports, which get here with
// br_netfilter.
//
// The chain is empty for a family as long as somebody else makes a router of the host.
// These are the signs: net.ipv4.ip_forward=1, net.ipv6.conf.all.forwarding=1, or an
// interface that begins to forward though the Share did not turn that on. Share.Routed
// reports it, and the Logger is told. A program that writes the value that a switch has
// already goes unnoticed, but for net.ipv6.conf.all.forwarding: that writes
// net.ipv6.conf.default.forwarding, too, which the Share leaves off. An uplink that was
// off on a router stays guarded.
//
// # Limits
//
// The uplinks are those to the Internet. State.Route asks for the way to one peer, which
// may have a route of its own. Both ignore rules for some ports or protocols only, and
// marks that a firewall of the host sets.
//
// An interface without a carrier is no uplink, though the kernel sends by its routes
// until somebody, such as NetworkManager, removes them.
//
// A host with several uplinks sends the answers of redirected connections by its best
// one, not by the one that the connection came in by.
//
// A firewall of the host may still drop forwarded packets: a table can only drop, and
// cannot accept a packet that another table drops. [Blocked] looks for such a firewall.
//
// On a host that is a router anyway, a machine in the networks of its uplinks can send
// to the stack's own addresses. So it reaches all ports that the stack listens on,
// redirected or not. A rule of the host's own firewall keeps strangers out, as for
// nftables:
//
//	oifname "mnet0" iifname != "mnet0" ct state new ct status & dnat == 0 drop
//
// # Network namespaces
//
// Everything is done in the network namespace of the threads that call Watch and
// NewShare. Later work may run on any thread.
package hostnet
