// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMSS has an uplink of a smaller MTU than the device and the rest of the network. It
// opens connections from and to the stack, and both ends send no segments that the uplink
// cannot carry.
func TestMSS(t *testing.T) {
	const mtu = 1300
	for _, c := range []struct {
		name, world, host string
		headers           int
	}{
		{"IPv4", "192.0.2.1", "192.0.2.7", 20 + 20},
		{"IPv6", "2001:db8::1", "2001:db8::7", 40 + 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.host.Must(s.host.h.LinkSetMTU(s.host.Link("up0"), mtu))
			s.share(ShareConfig{Masquerade: bothFamilies, Redirects: []Redirect{
				{80, netip.MustParseAddrPort("10.77.0.2:80")}, {80, netip.MustParseAddrPort("[fd77::2]:80")},
			}})
			check := func(what string, from, to *Namespace, addr string) {
				dialled, accepted := connect(from, to, net.JoinHostPort(addr, "80"))
				for end, conn := range map[string]*net.TCPConn{"opener": dialled, "acceptor": accepted} {
					if got := maxSegment(t, conn); got > mtu-c.headers {
						t.Errorf("%s: the %s sends segments of %d bytes, more than %d", what, end, got, mtu-c.headers)
					}
				}
			}
			check("from the stack", s.stack, s.world, c.world)
			check("to the stack", s.world, s.stack, c.host)
		})
	}
}

// connect returns both ends of a connection to port 80.
func connect(from, to *Namespace, addr string) (dialled, accepted *net.TCPConn) {
	from.t.Helper()
	var ln net.Listener
	to.Must(to.Do(func() (err error) {
		ln, err = net.Listen("tcp", ":80")
		return err
	}))
	defer ln.Close()
	from.Must(from.Do(func() error {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err == nil {
			dialled = c.(*net.TCPConn)
		}
		return err
	}))
	c, err := ln.Accept()
	to.Must(err)
	accepted = c.(*net.TCPConn)
	from.t.Cleanup(func() { dialled.Close(); accepted.Close() })
	return dialled, accepted
}

// maxSegment returns the most payload that the kernel sends in a segment.
func maxSegment(t *testing.T, c *net.TCPConn) (size int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) {
		size, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG)
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	return size
}
