// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/songgao/water"
)

const defaultDriver = Water

// openDevice creates the device. Its MTU is for the caller to set.
func openDevice(cfg Config) (device, string, error) {
	if cfg.Driver != Water {
		return nil, "", fmt.Errorf("driver %v: %w: it is for Linux: choose %v", cfg.Driver, ErrNoDriver, Water)
	}
	ifce, err := water.New(water.Config{
		DeviceType:             water.TUN,
		PlatformSpecificParams: waterParams(cfg.Name),
	})
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w: run as an administrator", ErrNoDriver, err)
	}
	return newPacketDevice(ifce, cfg.MTU), ifce.Name(), nil
}

// CheckHost is for Linux.
func (c Config) CheckHost(addrs []netip.Prefix) error {
	return fmt.Errorf("tun: %w: look for devices and addresses by the system's own tools", errors.ErrUnsupported)
}

// Configure is for Linux.
func (l *Link) Configure(addrs, routes []netip.Prefix) error {
	return fmt.Errorf("tun: %s: %w: set addresses, routes and MTU by the system's own tools", l.name, errors.ErrUnsupported)
}
