// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/netstack/tun"
)

const (
	doPrivileges = "run as root, or with CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN)"
	doShare      = "without it --masquerade and --dnat do not work; the network then has to have routes to the stack's addresses"
)

func privileges(_ context.Context, s *System) Finding {
	has, err := s.NetAdmin()
	switch {
	case err != nil:
		return trouble(Fail, err, doPrivileges)
	case !has:
		return Finding{Level: Fail, Text: "the process does not have CAP_NET_ADMIN", Do: doPrivileges}
	}
	return Finding{Level: OK, Text: "the process has CAP_NET_ADMIN"}
}

func tunDevice(_ context.Context, s *System) Finding {
	err := s.OpenTUN()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return trouble(Fail, err, "let the user open it (udev: mode 0666, or a group); in a container, allow the device")
	case err != nil:
		return trouble(Fail, err, "load the module (modprobe tun); in a container, pass the device to it")
	}
	return Finding{Level: OK, Text: "/dev/net/tun can be opened"}
}

func gvisor(_ context.Context, s *System) Finding {
	if err := s.Patched(); err != nil {
		return Finding{Level: Fail, Text: "this mnet was built with a gVisor that cannot migrate connections", Do: "build it with make (mnet gvisor says more)"}
	}
	return Finding{Level: OK, Text: "this mnet can migrate connections"}
}

func tunDriver(_ context.Context, s *System) Finding {
	err := s.TryDevice(tun.VNetHdr)
	if err == nil {
		return Finding{Level: OK, Text: "driver vnet_hdr works"}
	}
	if s.TryDevice(tun.Water) == nil {
		return trouble(Warn, err, "use a newer kernel; until then driver water is used, which is several times slower")
	}
	return trouble(Fail, err, "")
}

func nftables(_ context.Context, s *System) Finding {
	if err := s.Probe(); err != nil {
		return trouble(Fail, err, doShare)
	}
	return Finding{Level: OK, Text: "address translation can be set up"}
}

// forwardingPath stands for the switches of all devices: they have the same owner.
const forwardingPath = "ipv4/conf/all/forwarding"

func forwarding(_ context.Context, s *System) Finding {
	if err := s.Writable(forwardingPath); err != nil {
		return trouble(Fail, err, "give the process CAP_NET_ADMIN and a writable /proc/sys (systemd: ProtectKernelTunables=no); "+doShare)
	}
	if on, err := s.ReadSetting(forwardingPath); err == nil && on != "0" {
		return Finding{Level: OK, Text: "the host is a router already: mnet up leaves to its firewall what it forwards for others"}
	}
	return Finding{Level: OK, Text: "mnet up can turn forwarding on where it needs it, and drops what would be forwarded for others"}
}

func firewall(_ context.Context, s *System) Finding {
	reason, err := s.Blocked(node.DefaultDevice)
	if err != nil {
		return trouble(Warn, err, "")
	}
	if reason != "" {
		text, do, _ := strings.Cut(reason, ": ")
		return Finding{Level: Warn, Text: text, Do: do}
	}
	return Finding{Level: OK, Text: "no chain of nftables drops what is forwarded"}
}

// conntrack reports settings of connection tracking. They decide how a firewall on this
// host, with rules about states, treats a connection that moves. Migration works with
// all of them.
func conntrack(_ context.Context, s *System) Finding {
	const dir = "netfilter/nf_conntrack_tcp_"
	loose, err := s.ReadSetting(dir + "loose")
	if errors.Is(err, fs.ErrNotExist) {
		return Finding{Level: Info, Text: "this host does not track connections"}
	}
	liberal, lerr := s.ReadSetting(dir + "be_liberal")
	if err = errors.Join(err, lerr); err != nil {
		return trouble(Info, err, "")
	}
	picks := "picks up connections in the middle"
	if loose == "0" {
		picks = "knows connections from their SYN only"
	}
	checks := "checks windows"
	if liberal != "0" {
		checks = "does not check windows"
	}
	return Finding{Level: Info, Text: fmt.Sprintf("connection tracking %s (tcp_loose=%s) and %s (tcp_be_liberal=%s)", picks, loose, checks, liberal)}
}

func uplinks(_ context.Context, s *System) Finding {
	ups, err := s.Uplinks()
	if err != nil {
		return trouble(Warn, err, "")
	}
	if len(ups) == 0 {
		return Finding{Level: Warn, Text: "the host has no default route", Do: "connect it to a network; until then only peers with a route of their own are reached"}
	}
	return Finding{Level: OK, Text: join(ups)}
}

// addresses reports which addresses a node would choose. If one runs with addresses that
// were given, they may be in the host's way.
func addresses(ctx context.Context, s *System) Finding {
	device := node.DefaultDevice
	var st *node.Status
	if s.DialSocket() == nil {
		if st, _ = s.Status(ctx); st != nil {
			device = st.Device
		}
	}
	used, err := s.Used(device)
	if err != nil {
		return trouble(Warn, err, "")
	}
	if st != nil {
		return present(st, used)
	}
	_, stack, err := s.Choose(device)
	if err != nil {
		return trouble(Warn, err, "")
	}
	text := "mnet up would choose " + join(stack)
	for _, p := range host.DefaultAddresses {
		if u, ok := overlapping(p, used); ok && !slices.Contains(stack, p) {
			text += fmt.Sprintf("; the first choice, %v, is in %v, which the host uses", p, u)
		}
	}
	return Finding{Level: OK, Text: text}
}

// present compares the addresses of a node that runs with the prefixes that the host uses.
func present(st *node.Status, used []netip.Prefix) Finding {
	for _, p := range slices.Concat(st.Host, st.Addresses) {
		if u, ok := overlapping(p, used); ok {
			do := "leave out --host and --address: mnet up chooses others"
			if st.Chosen {
				do = "nothing: no choice is better"
			}
			return Finding{Level: Warn, Text: fmt.Sprintf("%v on %s overlaps %v, which the host uses: the host cannot reach a part of it", p, st.Device, u), Do: do}
		}
	}
	return Finding{Level: OK, Text: "nothing else of the host uses the node's addresses, " + join(st.Addresses)}
}

func overlapping(p netip.Prefix, used []netip.Prefix) (netip.Prefix, bool) {
	i := slices.IndexFunc(used, p.Overlaps)
	if i < 0 {
		return netip.Prefix{}, false
	}
	return used[i], true
}

func join[T fmt.Stringer](values []T) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.String()
	}
	return strings.Join(names, ", ")
}

func ipv6(_ context.Context, s *System) Finding {
	off, err := s.ReadSetting("ipv6/conf/all/disable_ipv6")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Finding{Level: Info, Text: "the kernel has no IPv6: the stack uses IPv4 only"}
	case err != nil:
		return trouble(Info, err, "")
	case off != "0":
		return Finding{Level: Info, Text: "IPv6 is turned off: the stack uses IPv4 only"}
	}
	if _, err := s.ReadSetting("ipv6/conf/all/force_forwarding"); err != nil {
		return Finding{Level: Info, Text: "IPv6 is on; --masquerade makes an IPv6 router of the host, as this kernel cannot forward for single devices (Linux 6.17); what it would forward for others is dropped"}
	}
	return Finding{Level: OK, Text: "IPv6 is on"}
}

func running(ctx context.Context, s *System) Finding {
	err := s.DialSocket()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Finding{Level: OK, Text: "no node runs (" + s.Socket + " is not there)"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Finding{Level: Warn, Text: "a node was killed and has left " + s.Socket, Do: "nothing: the next mnet up replaces it"}
	case errors.Is(err, fs.ErrPermission):
		return Finding{Level: Warn, Text: "a node runs, which another user controls", Do: "run as its owner or root, or start mnet up with --socket-owner"}
	case err != nil:
		return trouble(Warn, err, "")
	}
	st, err := s.Status(ctx)
	if err != nil {
		return trouble(Warn, err, "is another version of mnet running? start it anew")
	}
	return Finding{Level: OK, Text: fmt.Sprintf("a node runs: process %d, device %s, driver %s, uplinks %d, connections %d",
		st.PID, st.Device, st.Driver, len(st.Uplinks), len(st.Connections))}
}
