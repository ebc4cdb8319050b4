// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// Defaults of a [Config].
const (
	DefaultDevice = "mnet0"
	DefaultPolicy = "handover"
	// DefaultHold is how long connections wait without a path, at either end: a
	// laptop's lid is closed for longer than TCP has patience.
	DefaultHold = time.Hour
)

// The addresses on the device if none are configured: the host's and the stack's.
var (
	DefaultHost      = []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77:6d6e:6574::1/64")}
	DefaultAddresses = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77:6d6e:6574::2/64")}
)

// Config says what a [Node] is. The zero value is a good one, for a node that
// only dials inside the host. Its YAML form is the configuration file of mnet up.
type Config struct {
	// Device is the name of the TUN device, Driver how packets go to and from it
	// ("auto", "vnet_hdr", "water"), MTU its largest packet in bytes. Empty means
	// DefaultDevice, auto and tun.DefaultMTU.
	Device string `yaml:"device"`
	Driver string `yaml:"driver"`
	MTU    uint32 `yaml:"mtu"`

	// Host are the addresses of the host on the device, Addresses those of the
	// stack. If both are empty they are DefaultHost and DefaultAddresses.
	Host      []netip.Prefix `yaml:"host"`
	Addresses []netip.Prefix `yaml:"addresses"`

	// Routes are further prefixes that the host sends to the stack.
	Routes []netip.Prefix `yaml:"routes"`

	// Masquerade lets the stack out by the host's uplinks, behind the host's own
	// addresses. Otherwise the network has to have a route to Addresses.
	Masquerade bool `yaml:"masquerade"`

	// DNAT makes the ports that are served reachable on the host's own addresses.
	DNAT bool `yaml:"dnat"`

	// Policy says when connections move by themselves: "handover", "interactive"
	// or "manual". Empty means DefaultPolicy.
	Policy string `yaml:"policy"`

	// Suites that connections may use, the best first. Empty means
	// x25519-sha256 and x25519-sha1.
	Suites []string `yaml:"suites"`

	// Require refuses connections that cannot migrate. Otherwise they are plain
	// TCP.
	Require bool `yaml:"require"`

	// Hold is how long a connection waits without a path. Zero means DefaultHold,
	// negative not at all.
	Hold time.Duration `yaml:"hold"`

	// Socket is where the node is controlled from, SocketOwner the user who may,
	// beside root. Empty means the default of package control, and the user who
	// runs it.
	Socket      string `yaml:"socket"`
	SocketOwner string `yaml:"socket_owner"`

	// What the node does from the start.
	Serve   []ServeRule   `yaml:"serve"`
	Forward []ForwardRule `yaml:"forward"`
	SOCKS   []string      `yaml:"socks"`

	// Log is a file for the log; empty means standard error. Verbose adds what is
	// for debugging.
	Log     string `yaml:"log"`
	Verbose bool   `yaml:"verbose"`
}

// ErrConfig is what the errors about a [Config] or a request wrap.
var ErrConfig = netstack.ErrConfig

// settings is a Config in the types of those who need it.
type settings struct {
	Config
	driver tun.Driver
	policy roam.Policy
	migr   endpoint.MigrationOptions
	want   endpoint.Policy
}

// policies by name.
var policies = map[string]roam.Policy{
	"handover":    endpoint.Handover,
	"interactive": endpoint.Interactive,
	"manual":      endpoint.Manual,
}

// parse fills in defaults and says what is wrong.
func (c Config) parse() (*settings, error) {
	if len(c.Host) == 0 && len(c.Addresses) == 0 {
		c.Host, c.Addresses = defaultAddresses()
	}
	c.Device = cmp.Or(c.Device, DefaultDevice)
	c.Policy = cmp.Or(c.Policy, DefaultPolicy)
	c.Hold = cmp.Or(c.Hold, DefaultHold)
	s := &settings{Config: c, policy: policies[c.Policy]}
	if s.policy == nil {
		return nil, fmt.Errorf("%w: policy %q: choose handover, interactive or manual", ErrConfig, c.Policy)
	}
	if c.Hold > migrate.MaxHold {
		return nil, fmt.Errorf("%w: hold %v: choose at most %v", ErrConfig, c.Hold, migrate.MaxHold)
	}
	if c.Require {
		s.want = endpoint.Required
	}
	s.migr.HoldOnTimeout = max(c.Hold, 0)
	for _, name := range c.Suites {
		id, err := migrate.ParseSuite(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		s.migr.Suites = append(s.migr.Suites, id)
	}
	if err := s.driver.UnmarshalText([]byte(cmp.Or(c.Driver, tun.Auto.String()))); err != nil {
		return nil, err
	}
	return s, s.checkAddresses()
}

// defaultAddresses leaves IPv6 out where the host has it turned off.
func defaultAddresses() (host, stack []netip.Prefix) {
	off, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	if err == nil && string(off) == "0\n" {
		return DefaultHost, DefaultAddresses
	}
	return DefaultHost[:1], DefaultAddresses[:1]
}

func (s *settings) checkAddresses() error {
	for _, p := range s.Addresses {
		if !p.IsValid() || p.Addr().IsUnspecified() || p.Addr().IsMulticast() {
			return fmt.Errorf("%w: address %v: give an address with a prefix length, such as 10.77.0.2/24", ErrConfig, p)
		}
		for _, h := range s.Host {
			if h.Addr() == p.Addr() {
				return fmt.Errorf("%w: the host and the stack cannot both have %v: choose two addresses", ErrConfig, p.Addr())
			}
		}
	}
	if len(s.Addresses) == 0 {
		return fmt.Errorf("%w: the stack has no address: give one (addresses, --address), or leave out the host's as well", ErrConfig)
	}
	if len(s.Host) == 0 {
		return fmt.Errorf("%w: the host has no address on the device: give one (host, --host), or leave out the stack's as well", ErrConfig)
	}
	return nil
}
