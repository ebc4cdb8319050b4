// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/host"
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
	// laptop's lid is closed for longer than TCP retransmits.
	DefaultHold = time.Hour
)

// Config configures a [Node]. The zero value is a good one, for a node that only dials
// inside the host. Its YAML form is the configuration file of mnet up.
type Config struct {
	// Device is the name of the TUN device, Driver how packets go to and from it
	// ("auto", "vnet_hdr", "water"), MTU its largest packet in bytes. Empty means
	// DefaultDevice, auto and tun.DefaultMTU.
	Device string `yaml:"device"`
	Driver string `yaml:"driver"`
	MTU    uint32 `yaml:"mtu"`

	// Host are the addresses of the host on the device. Addresses are the addresses of
	// the stack. If both are empty, the node chooses them: see host.Config.
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

	// Suites that connections may use, the best first. Empty means x25519-sha256.
	Suites []string `yaml:"suites"`

	// Require refuses connections that cannot migrate. Otherwise they are plain
	// TCP.
	Require bool `yaml:"require"`

	// Hold is how long a connection waits without a path. Zero means DefaultHold,
	// negative not at all.
	Hold time.Duration `yaml:"hold"`

	// Socket is the path of the control socket. SocketOwner is the user who may use it,
	// beside root. Empty means the default of package control, and the user who runs
	// the node.
	Socket      string `yaml:"socket"`
	SocketOwner string `yaml:"socket_owner"`

	// The services of the node from the start.
	Serve   []ServeRule   `yaml:"serve"`
	Forward []ForwardRule `yaml:"forward"`
	SOCKS   []string      `yaml:"socks"`

	// Log is a file for the log; empty means standard error. Verbose adds messages for
	// debugging.
	Log     string `yaml:"log"`
	Verbose bool   `yaml:"verbose"`
}

// ErrConfig is wrapped by the errors about a [Config] or a request.
var ErrConfig = netstack.ErrConfig

// settings is a Config in the types that the other packages need.
type settings struct {
	Config
	host host.Config
	migr endpoint.MigrationOptions
	want endpoint.Policy
}

// policies by name.
var policies = map[string]roam.Policy{
	"handover":    endpoint.Handover,
	"interactive": endpoint.Interactive,
	"manual":      endpoint.Manual,
}

// parse fills in defaults, or returns an error if c is wrong.
func (c Config) parse() (*settings, error) {
	c.Device = cmp.Or(c.Device, DefaultDevice)
	c.Policy = cmp.Or(c.Policy, DefaultPolicy)
	c.Hold = cmp.Or(c.Hold, DefaultHold)
	s := &settings{Config: c}
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
		if slices.Contains(s.migr.Suites, id) {
			return nil, fmt.Errorf("%w: suite %q is given twice", ErrConfig, name)
		}
		s.migr.Suites = append(s.migr.Suites, id)
	}
	if err := s.parseHost(); err != nil {
		return nil, err
	}
	return s, s.checkServices()
}

// Check returns an error if c is wrong. The error is an [ErrConfig].
func (c Config) Check() error {
	_, err := c.parse()
	return err
}

// parseHost makes the configuration of the stack behind the host.
func (s *settings) parseHost() (err error) {
	s.host = host.Config{
		Device:     tun.Config{Name: s.Device, MTU: s.MTU},
		Host:       s.Host,
		Addresses:  s.Addresses,
		Routes:     s.Routes,
		Masquerade: s.Masquerade,
		Redirect:   s.DNAT,
		Policy:     policies[s.Policy],
	}
	if s.host.Policy == nil {
		return fmt.Errorf("%w: policy %q: choose handover, interactive or manual", ErrConfig, s.Policy)
	}
	if err := s.host.Device.Driver.UnmarshalText([]byte(cmp.Or(s.Driver, tun.Auto.String()))); err != nil {
		return err
	}
	s.host, err = s.host.WithDefaults()
	s.Host, s.Addresses = s.host.Host, s.host.Addresses
	return err
}
