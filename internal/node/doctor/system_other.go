// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package doctor

import (
	"context"
	"errors"
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// Host is for Linux: nothing but gVisor can be looked at elsewhere.
func Host(socket string) *System {
	unsupported := func() error { return errors.ErrUnsupported }
	return &System{
		NetAdmin:    func() (bool, error) { return false, errors.ErrUnsupported },
		OpenTUN:     unsupported,
		TryDevice:   func(tun.Driver) error { return errors.ErrUnsupported },
		Patched:     netstack.Patched,
		Probe:       hostnet.Probe,
		Blocked:     hostnet.Blocked,
		Uplinks:     func() ([]hostnet.Uplink, error) { return nil, errors.ErrUnsupported },
		Choose:      host.Choose,
		Used:        func(string) ([]netip.Prefix, error) { return nil, errors.ErrUnsupported },
		ReadSetting: func(string) (string, error) { return "", errors.ErrUnsupported },
		Writable:    func(string) error { return errors.ErrUnsupported },
		Socket:      socket,
		DialSocket:  unsupported,
		Status:      func(context.Context) (*node.Status, error) { return nil, errors.ErrUnsupported },
	}
}
