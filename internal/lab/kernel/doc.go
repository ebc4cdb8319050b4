// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kernel is a laboratory of network namespaces in one process: hosts,
// routers, NATs and firewalls of the Linux kernel, joined by links with a delay, a
// rate and a queue.
//
//	lab, err := kernel.New()
//	...
//	defer lab.Close()
//	client, err := lab.Namespace("client")
//	server, err := lab.Namespace("server")
//	wire, err := lab.Wire(client, "wan0", server, "wan0", kernel.WireConfig{
//		Delay: 20 * time.Millisecond, Rate: 50e6,
//	})
//	err = client.AddAddress("wan0", netip.MustParsePrefix("192.0.2.1/24"))
//
// [Lab.Topology] builds a whole network: a client with two uplinks behind a NAT
// each, a server behind a firewall, and a third host.
//
// Nothing of it has a name outside of the process: a namespace is held by a thread
// and descriptors of the process, and a child process is killed by the kernel when
// the thread that started it ends. So all is gone with the process, even if that
// is killed. What a child puts into a session of its own (setsid, as sshd does for
// each login) survives a killed lab, and is killed by [Lab.Close].
//
// The laboratory needs Linux, root, /dev/net/tun and nf_tables; [New] says what is
// missing. It never touches the namespace that the process was started in.
package kernel
