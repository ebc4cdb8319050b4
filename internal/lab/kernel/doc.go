// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kernel emulates a network by network namespaces in one process. It has hosts,
// routers, NATs and firewalls of the Linux kernel. Links with a delay, a rate and a queue
// join them.
//
//	network, err := kernel.New()
//	...
//	defer network.Close()
//	client, err := network.Namespace("client")
//	server, err := network.Namespace("server")
//	wire, err := network.Wire(client, "wan0", server, "wan0", kernel.WireConfig{
//		Delay: 20 * time.Millisecond, Rate: 50e6,
//	})
//	err = client.AddAddress("wan0", netip.MustParsePrefix("192.0.2.1/24"))
//
// [Network.Topology] builds a whole network: a client with two uplinks behind a NAT each, a
// server behind a firewall, and a third host.
//
// Nothing of it has a name outside of the process. Threads and descriptors of the
// process hold the namespaces. The kernel kills a child process when the thread that
// started it ends. So all is gone with the process, even if that is killed. There is
// one exception: a child may put processes into a session of their own (setsid, as sshd
// does for each login). They survive a killed network, and [Network.Close] kills them.
//
// The network needs Linux, root, /dev/net/tun and nf_tables. The error of [New]
// names a missing one. It never touches the namespace that the process was started in.
package kernel
