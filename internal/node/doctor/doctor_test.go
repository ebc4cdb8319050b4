// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// healthy is a system with nothing to complain about, on which no node runs.
func healthy() *System {
	settings := map[string]string{
		"netfilter/nf_conntrack_tcp_loose":      "1",
		"netfilter/nf_conntrack_tcp_be_liberal": "0",
		"ipv6/conf/all/disable_ipv6":            "0",
		"ipv6/conf/all/force_forwarding":        "0",
	}
	return &System{
		NetAdmin:  func() (bool, error) { return true, nil },
		OpenTUN:   func() error { return nil },
		TryDevice: func(tun.Driver) error { return nil },
		Patched:   func() error { return nil },
		Probe:     func() error { return nil },
		Blocked:   func(string) (string, error) { return "", nil },
		Uplinks: func() ([]hostnet.Uplink, error) {
			return []hostnet.Uplink{{Interface: "eth0", Source: netip.MustParseAddr("192.0.2.1")}}, nil
		},
		Choose: func(string) (hosts, stack []netip.Prefix, err error) {
			return host.DefaultHost, host.DefaultAddresses, nil
		},
		Used: func(string) ([]netip.Prefix, error) {
			return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil
		},
		ReadSetting: func(path string) (string, error) {
			if v, ok := settings[path]; ok {
				return v, nil
			}
			return "", fs.ErrNotExist
		},
		Writable:   func(string) error { return nil },
		Socket:     "/run/mnet/mnet.sock",
		DialSocket: func() error { return fs.ErrNotExist },
		Status:     func(context.Context) (*node.Status, error) { return nil, errors.New("asked though nobody listens") },
	}
}

func TestHealthy(t *testing.T) {
	findings := Run(t.Context(), healthy())
	if !Healthy(findings) || len(findings) != len(checks) {
		t.Errorf("%+v", findings)
	}
	for _, f := range findings {
		if f.Check == "" || f.Text == "" || f.Do != "" || f.Level != OK && f.Check != "conntrack" {
			t.Errorf("%+v", f)
		}
	}
}

// setting makes a setting have a value, or be missing.
func setting(path, value string) func(*System) {
	return func(s *System) {
		was := s.ReadSetting
		s.ReadSetting = func(p string) (string, error) {
			if p != path {
				return was(p)
			}
			if value == "" {
				return "", fs.ErrNotExist
			}
			return value, nil
		}
	}
}

// nodeAt has a node run whose stack has an address.
func nodeAt(address string, chosen bool) func(*System) {
	return func(s *System) {
		s.DialSocket = func() error { return nil }
		s.Status = func(context.Context) (*node.Status, error) {
			return &node.Status{Device: "mnet0", Addresses: []netip.Prefix{netip.MustParsePrefix(address)}, Chosen: chosen}, nil
		}
	}
}

func TestFindings(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/dev/net/tun", Err: syscall.EACCES}
	for _, tt := range []struct {
		name   string
		change func(*System)
		check  string
		level  Level
		text   string // a part of it
		do     string // likewise
	}{
		{"no privileges", func(s *System) { s.NetAdmin = func() (bool, error) { return false, nil } },
			"privileges", Fail, "CAP_NET_ADMIN", "run as root"},
		{"TUN denied", func(s *System) { s.OpenTUN = func() error { return denied } },
			"TUN device", Fail, "permission denied", "let the user open it"},
		{"no TUN", func(s *System) { s.OpenTUN = func() error { return fs.ErrNotExist } },
			"TUN device", Fail, "not exist", "modprobe tun"},
		{"unpatched", func(s *System) { s.Patched = func() error { return netstack.ErrUnpatched } },
			"gVisor", Fail, "cannot migrate", "make"},
		{"no vnet_hdr", func(s *System) {
			s.TryDevice = func(d tun.Driver) error {
				if d == tun.VNetHdr {
					return tun.ErrNoDriver
				}
				return nil
			}
		}, "TUN driver", Warn, "no TUN driver", "newer kernel"},
		{"no driver", func(s *System) { s.TryDevice = func(tun.Driver) error { return tun.ErrPermission } },
			"TUN driver", Fail, "not permitted", ""},
		{"no nf_tables", func(s *System) { s.Probe = func() error { return hostnet.ErrPermission } },
			"nf_tables", Fail, "not permitted", "--masquerade"},
		{"read-only /proc", func(s *System) { s.Writable = func(string) error { return syscall.EROFS } },
			"forwarding", Fail, "read-only", "ProtectKernelTunables=no"},
		{"router", setting("ipv4/conf/all/forwarding", "1"), "forwarding", OK, "router already", ""},
		{"firewall", func(s *System) {
			s.Blocked = func(string) (string, error) { return "a chain drops: accept mnet0", nil }
		}, "firewall", Warn, "a chain drops", "accept mnet0"},
		{"firewall unknown", func(s *System) { s.Blocked = func(string) (string, error) { return "", hostnet.ErrPermission } },
			"firewall", Warn, "not permitted", ""},
		{"no conntrack", setting("netfilter/nf_conntrack_tcp_loose", ""),
			"conntrack", Info, "does not track", ""},
		{"strict conntrack", setting("netfilter/nf_conntrack_tcp_loose", "0"),
			"conntrack", Info, "from their SYN only", ""},
		{"no uplink", func(s *System) { s.Uplinks = func() ([]hostnet.Uplink, error) { return nil, nil } },
			"uplinks", Warn, "no default route", "connect"},
		{"first choice in use", func(s *System) {
			s.Used = func(string) ([]netip.Prefix, error) {
				return []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24")}, nil
			}
			s.Choose = func(string) (hosts, stack []netip.Prefix, err error) {
				return nil, []netip.Prefix{netip.MustParsePrefix("172.29.77.2/31")}, nil
			}
		}, "addresses", OK, "172.29.77.2/31; the first choice, 10.77.0.2/31, is in 10.77.0.0/24", ""},
		{"given addresses in use", nodeAt("192.0.2.8/24", false), "addresses", Warn, "192.0.2.8/24 on mnet0 overlaps 192.0.2.0/24", "--address"},
		{"chosen addresses in use", nodeAt("192.0.2.8/31", true), "addresses", Warn, "overlaps 192.0.2.0/24", "no choice is better"},
		{"addresses not in use", nodeAt("10.77.0.2/31", true), "addresses", OK, "10.77.0.2/31", ""},
		{"addresses unknown", func(s *System) { s.Used = func(string) ([]netip.Prefix, error) { return nil, errors.New("busy") } },
			"addresses", Warn, "busy", ""},
		{"no IPv6", setting("ipv6/conf/all/disable_ipv6", ""), "IPv6", Info, "has no IPv6", ""},
		{"IPv6 off", setting("ipv6/conf/all/disable_ipv6", "1"), "IPv6", Info, "turned off", ""},
		{"old kernel", setting("ipv6/conf/all/force_forwarding", ""), "IPv6", Info, "router of the host", ""},
		{"stale socket", func(s *System) { s.DialSocket = func() error { return syscall.ECONNREFUSED } },
			"node", Warn, "/run/mnet/mnet.sock", "replaces it"},
		{"node of another", func(s *System) { s.DialSocket = func() error { return fs.ErrPermission } },
			"node", Warn, "another user", "--socket-owner"},
		{"node", func(s *System) {
			s.DialSocket = func() error { return nil }
			s.Status = func(context.Context) (*node.Status, error) { return &node.Status{PID: 7, Device: "mnet0"}, nil }
		}, "node", OK, "process 7, device mnet0", ""},
		{"node that does not answer", func(s *System) { s.DialSocket = func() error { return nil } },
			"node", Warn, "nobody listens", "another version"},
		{"another system", func(s *System) { s.Probe = func() error { return errors.ErrUnsupported } },
			"nf_tables", Warn, "unsupported", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := healthy()
			tt.change(s)
			findings := Run(t.Context(), s)
			for _, f := range findings {
				switch {
				case f.Check != tt.check:
					if f.Level == Fail || f.Level == Warn {
						t.Errorf("about something else: %+v", f)
					}
				case f.Level != tt.level || !strings.Contains(f.Text, tt.text) || !strings.Contains(f.Do, tt.do):
					t.Errorf("%+v, want %s, %q, %q", f, tt.level, tt.text, tt.do)
				}
			}
			if Healthy(findings) != (tt.level != Fail) {
				t.Errorf("healthy: %v", Healthy(findings))
			}
		})
	}
}

func TestHostIsReadable(t *testing.T) {
	s := Host(t.TempDir() + "/mnet.sock")
	if err := s.DialSocket(); err == nil {
		t.Error("somebody answers at a socket that is not there")
	}
	if _, err := s.Status(t.Context()); err == nil {
		t.Error("a status of nobody")
	}
	if _, err := s.ReadSetting("none"); err == nil || errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}
