// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"errors"
	"fmt"

	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/internal/ifname"
)

const (
	// DefaultMTU is the MTU of Ethernet, in bytes.
	DefaultMTU = 1500

	// MaxMTU is the largest MTU of a TUN device, in bytes: that of an IPv4 packet.
	MaxMTU = 65535

	// MaxName is the largest length of the name of a device, in bytes (IFNAMSIZ
	// without the terminating zero).
	MaxName = ifname.MaxLen
)

// Driver says how packets go to and from the device.
type Driver int

const (
	// Auto is VNetHdr where there is one, else Water.
	Auto Driver = iota
	// VNetHdr passes large segments without checksums. Linux only.
	VNetHdr
	// Water passes packets as they are on the wire. Portable.
	Water
)

// String returns "auto", "vnet_hdr" or "water".
func (d Driver) String() string {
	switch d {
	case Auto:
		return "auto"
	case VNetHdr:
		return "vnet_hdr"
	case Water:
		return "water"
	default:
		return fmt.Sprintf("Driver(%d)", int(d))
	}
}

// UnmarshalText implements encoding.TextUnmarshaler. It accepts the texts that String
// returns.
func (d *Driver) UnmarshalText(text []byte) error {
	for _, known := range []Driver{Auto, VNetHdr, Water} {
		if string(text) == known.String() {
			*d = known
			return nil
		}
	}
	return fmt.Errorf("driver %q: %w: choose %v, %v or %v", text, ErrConfig, Auto, VNetHdr, Water)
}

// Errors of [Open] and [Link.Configure]. They come wrapped, with the remedy in the
// text.
var (
	// ErrConfig: the configuration is wrong on every system.
	ErrConfig = netstack.ErrConfig
	// ErrPermission: the process lacks CAP_NET_ADMIN, or access to the TUN driver.
	ErrPermission = netstack.ErrPermission
	// ErrInUse: the name, an address or a route belongs to another device.
	ErrInUse = netstack.ErrInUse
	// ErrNoDriver: the system has no TUN driver, or not the one asked for.
	ErrNoDriver = errors.New("no TUN driver")
)

// Config configures [Open]. The zero value is a good configuration.
type Config struct {
	// Name is the name of the device, at most MaxName bytes. Empty means that the
	// system chooses one.
	Name string

	// MTU is the largest packet, in bytes, between netstack.MinMTU and MaxMTU. Zero
	// means DefaultMTU.
	MTU uint32

	// Driver is how packets are passed. Zero means Auto.
	Driver Driver
}

// Check reports the first mistake in c that is one on every system. The error is an
// [ErrConfig].
func (c Config) Check() error {
	_, err := c.withDefaults()
	return err
}

// withDefaults returns c with defaults in place of zero values, or an error for a wrong
// value.
func (c Config) withDefaults() (Config, error) {
	if c.MTU == 0 {
		c.MTU = DefaultMTU
	}
	if c.MTU < netstack.MinMTU || c.MTU > MaxMTU {
		return c, fmt.Errorf("MTU %d: %w: choose one between %d, which IPv6 needs, and %d", c.MTU, ErrConfig, netstack.MinMTU, MaxMTU)
	}
	if c.Name != "" {
		if err := ifname.Check(c.Name); err != nil {
			return c, err
		}
	}
	switch c.Driver {
	case Auto:
		c.Driver = defaultDriver
	case VNetHdr, Water:
	default:
		return c, fmt.Errorf("%v: %w: choose %v, %v or %v", c.Driver, ErrConfig, Auto, VNetHdr, Water)
	}
	return c, nil
}
