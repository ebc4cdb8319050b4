// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// transferSize is the number of bytes that the large transfers send each way.
const transferSize = 16 << 20

// TestTransfer sends data between the kernel and the stack, both ways at once, as
// client and as server.
func TestTransfer(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver.String(), func(t *testing.T) {
			r := newRig(t, driver, 0)
			kernel, stack := r.kernel(), r.netstack()
			for _, c := range []struct {
				network  string
				from, to end
				size     int64
			}{
				{"tcp4", kernel, stack, transferSize},
				{"tcp6", stack, kernel, transferSize},
				{"tcp4", stack, kernel, 1},
				{"tcp6", kernel, stack, 1},
			} {
				before := r.link.Stats()
				client, server := connect(t, c.network, c.from, c.to)
				exchange(t, client, server, c.size)
				if c.size == transferSize {
					checkGSO(t, driver, before, r.link.Stats())
				}
			}
		})
	}
}

// checkGSO makes sure that large segments go both ways if the driver has them.
func checkGSO(t *testing.T, driver tun.Driver, before, after tun.Stats) {
	t.Helper()
	rx, tx := after.RxGSO-before.RxGSO, after.TxGSO-before.TxGSO
	if want := driver == tun.VNetHdr; (rx > 0) != want || (tx > 0) != want {
		t.Errorf("segments larger than the MTU: %d received, %d sent; want some: %v", rx, tx, want)
	}
	packets := after.RxPackets + after.TxPackets - before.RxPackets - before.TxPackets
	const bytes, mss = 2 * transferSize, 1460
	if driver == tun.VNetHdr && packets > bytes/mss {
		t.Errorf("%d packets: not fewer than without GSO", packets)
	}
	// Neighbour discovery and the like are not TCP.
	if unverified := after.RxUnverified - before.RxUnverified; driver == tun.VNetHdr && unverified*10 > packets {
		t.Errorf("%d packets had their checksums verified by the stack, of %d", unverified, packets)
	}
	if after.TxDropped > 0 {
		t.Errorf("the host refuses %d packets", after.TxDropped)
	}
}

func TestMTU(t *testing.T) {
	const size = 256 << 10
	for _, driver := range drivers {
		for _, mtu := range []int{1280, 1500, 9000, tun.MaxMTU} {
			t.Run(fmt.Sprintf("%v/%d", driver, mtu), func(t *testing.T) {
				r := newRig(t, driver, uint32(mtu))
				ifi, err := net.InterfaceByName(r.link.Name())
				if err != nil {
					t.Fatal(err)
				}
				if ifi.MTU != mtu {
					t.Errorf("device has MTU %d", ifi.MTU)
				}
				for network, ipHeader := range map[string]int{"tcp4": 20, "tcp6": 40} {
					client, server := connect(t, network, r.kernel(), r.netstack())
					const tcpHeader, timestamps = 20, 12
					// The kernel does not send more than half of the largest window ever
					// offered (RFC 9293, section 3.8.6.2.1): that is less than such an MTU.
					want := mtu - ipHeader - tcpHeader - timestamps
					if got := int(tcpInfo(t, client).Snd_mss); got != want && mtu != tun.MaxMTU {
						t.Errorf("%s: the kernel sends segments of %d bytes, want %d", network, got, want)
					}
					exchange(t, client, server, size)
				}
			})
		}
	}
}

func tcpInfo(t *testing.T, c net.Conn) (info *unix.TCPInfo) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return info
}

// TestRefused connects to ports nobody listens on: the RST, which has no data and
// is no part of a connection, has its checksum.
func TestRefused(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver.String(), func(t *testing.T) {
			r := newRig(t, driver, 0)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, network := range []string{"tcp4", "tcp6"} {
				for _, way := range [][2]end{{r.kernel(), r.netstack()}, {r.netstack(), r.kernel()}} {
					_, err := way[0].dial(ctx, network, net.JoinHostPort(way[1].addr(network), "9"))
					if !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("%s: %v", network, err)
					}
				}
			}
		})
	}
}

// TestNoStall has the kernel answer a SYN with an option that it does not know. Neither
// side may have to send anything twice before data can flow.
func TestNoStall(t *testing.T) {
	for _, driver := range drivers {
		for _, network := range []string{"tcp4", "tcp6"} {
			t.Run(fmt.Sprintf("%v/%s", driver, network), func(t *testing.T) {
				r := newRig(t, driver, 0)
				stackClient, kernelServer := connect(t, network, r.netstack(), r.kernel())
				kernelClient, stackServer := connect(t, network, r.kernel(), r.netstack())
				for _, c := range []net.Conn{kernelServer, kernelClient} {
					if n := tcpInfo(t, c).Total_retrans; n > 0 {
						t.Errorf("%d retransmissions by the kernel", n)
					}
				}
				if n := r.stack.GVisor().Stats().TCP.Retransmits.Value(); n > 0 {
					t.Errorf("%d retransmissions by the stack", n)
				}
				checkPlain(t, stackClient)
				checkPlain(t, stackServer)
				exchange(t, stackClient, kernelServer, 1)
				exchange(t, kernelClient, stackServer, 1)
			})
		}
	}
}

// checkPlain makes sure that a connection of the stack, which could migrate, has
// found out that its peer cannot.
func checkPlain(t *testing.T, c net.Conn) {
	t.Helper()
	want := migrate.PlainNotOffered
	if netstack.Patched() != nil {
		want = migrate.PlainUnpatched
	}
	if info := c.(*endpoint.Conn).Migration(); info.State != migrate.Plain || info.Reason != want {
		t.Errorf("%v, %v; want plain TCP, %v", info.State, info.Reason, want)
	}
}
