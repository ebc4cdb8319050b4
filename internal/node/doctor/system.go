// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"net/netip"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// System is the host, as the checks see it.
type System struct {
	// NetAdmin reports whether the process has CAP_NET_ADMIN.
	NetAdmin func() (bool, error)
	// OpenTUN opens the TUN driver, and closes it.
	OpenTUN func() error
	// TryDevice makes a device with a driver, and removes it.
	TryDevice func(tun.Driver) error
	// Patched, Probe, Blocked and Uplinks are the functions of netstack and hostnet.
	Patched func() error
	Probe   func() error
	Blocked func(device string) (reason string, err error)
	Uplinks func() ([]hostnet.Uplink, error)
	// Choose is host.Choose.
	Choose func(device string) (host, stack []netip.Prefix, err error)
	// Used returns the prefixes that the host uses, without the device.
	Used func(device string) ([]netip.Prefix, error)
	// ReadSetting reads a file below /proc/sys/net, Writable says whether it could
	// be written.
	ReadSetting func(path string) (string, error)
	Writable    func(path string) error
	// Socket is the path of the control socket. DialSocket connects to it, Status
	// asks the node there.
	Socket     string
	DialSocket func() error
	Status     func(context.Context) (*node.Status, error)
}
