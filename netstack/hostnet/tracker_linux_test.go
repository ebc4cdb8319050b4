// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tracked returns the TCP connections that the host tracks, as the opener sends.
func (s *site) tracked() (flows []flow) {
	s.host.t.Helper()
	s.host.Must(s.host.Do(func() error {
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			all, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
			if err != nil {
				return err
			}
			for _, f := range all {
				if f.Forward.Protocol == unix.IPPROTO_TCP {
					flows = append(flows, flow{
						netip.AddrPortFrom(addrOf(f.Forward.SrcIP), f.Forward.SrcPort),
						netip.AddrPortFrom(addrOf(f.Forward.DstIP), f.Forward.DstPort),
					})
				}
			}
		}
		return nil
	}))
	return flows
}

// TestForget forgets one of two connections: as the stack's packets go, whoever has
// opened it and however it is translated.
func TestForget(t *testing.T) {
	for _, c := range []struct {
		name, world, host, stack string
	}{
		{"IPv4", "192.0.2.1", "192.0.2.7", "10.77.0.2"},
		{"IPv6", "2001:db8::1", "2001:db8::7", "fd77::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			s.share(ShareConfig{Masquerade: bothFamilies, Redirects: []Redirect{
				{80, netip.MustParseAddrPort("10.77.0.2:80")}, {80, netip.MustParseAddrPort("[fd77::2]:80")},
			}})
			out, _ := connect(s.stack, s.world, net.JoinHostPort(c.world, "80"))
			_, in := connect(s.world, s.stack, net.JoinHostPort(c.host, "80"))
			kept, _ := connect(s.stack, s.world, net.JoinHostPort(c.world, "80"))
			if n := len(s.tracked()); n != 3 {
				t.Fatalf("%d connections are tracked", n)
			}
			var tracker *Tracker
			s.host.Must(s.host.Do(func() error {
				tracker = OpenTracker(nil)
				return nil
			}))
			for _, conn := range []*net.TCPConn{out, in} {
				tracker.Forget(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr()))
			}
			tracker.Forget(netip.MustParseAddrPort("192.0.2.99:9"), netip.MustParseAddrPort("192.0.2.98:9")) // unknown
			s.host.Must(tracker.Close())
			want := []flow{{addrPort(kept.LocalAddr()), addrPort(kept.RemoteAddr())}}
			if got := s.tracked(); !slices.Equal(got, want) {
				t.Errorf("tracked %v, want %v", got, want)
			}
			tracker.Forget(want[0].from, want[0].to)
			s.host.Must(tracker.Close())
		})
	}
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// refusing is a kernel that deletes nothing.
type refusing struct{ asked int }

func (r *refusing) forget(flow) error {
	r.asked++
	return ErrPermission
}

func (*refusing) close() error { return nil }

// TestForgetUnprivileged says once what is missing, and goes on.
func TestForgetUnprivileged(t *testing.T) {
	s := newSite(t)
	s.share(ShareConfig{Masquerade: bothFamilies})
	conn, _ := connect(s.stack, s.world, "192.0.2.1:80")
	err := s.host.withoutNetAdmin(func() error {
		c, err := dialTracker()
		if err != nil {
			return err
		}
		defer c.close()
		return c.forget(flow{addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())})
	})
	if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Error(err)
	}
	if n := len(s.tracked()); n != 1 {
		t.Errorf("%d connections are tracked", n)
	}

	var log logbook
	var kernel refusing
	tracker := newTracker(&kernel, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		tracker.Forget(addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr()))
	}
	s.host.Must(tracker.Close())
	if n := log.count("connection tracking"); n != 1 || kernel.asked != 3 {
		t.Errorf("asked %d times, said %d times: %s", kernel.asked, n, &log)
	}
}
