// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/tundev"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

const procNet = "/proc/sys/net"

// Host is the system that this process runs on, with a node whose control socket is
// at socket.
func Host(socket string) *System {
	client := &control.Client{Path: socket}
	return &System{
		NetAdmin:    netAdmin,
		OpenTUN:     func() error { return tryOpen(tundev.Path, os.O_RDWR) },
		TryDevice:   tryDevice,
		Patched:     netstack.Patched,
		Probe:       hostnet.Probe,
		Blocked:     hostnet.Blocked,
		Uplinks:     hostUplinks,
		Choose:      host.Choose,
		Used:        usedPrefixes,
		ReadSetting: readSetting,
		Writable:    func(path string) error { return tryOpen(filepath.Join(procNet, path), os.O_WRONLY) },
		Socket:      socket,
		DialSocket:  func() error { return dialSocket(socket) },
		Status:      client.Status,
	}
}

// netAdmin looks at the effective capabilities, as capabilities(7) has them.
func netAdmin() (bool, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // 64 bits in two parts
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false, fmt.Errorf("capget: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0, nil
}

// tryOpen opens a file and closes it: the kernel checks permissions when it is
// opened.
func tryOpen(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

// tryDevice leaves the name to the kernel, so that it is not that of another.
func tryDevice(d tun.Driver) error {
	l, err := tun.Open(tun.Config{Driver: d})
	if err != nil {
		return err
	}
	l.Close()
	return nil
}

func hostUplinks() (ups []hostnet.Uplink, err error) {
	stop, err := hostnet.Watcher{}.Watch(func(st hostnet.State) { ups = st.Uplinks })
	if err != nil {
		return nil, err
	}
	stop()
	return ups, nil
}

func usedPrefixes(device string) ([]netip.Prefix, error) {
	p, err := hostnet.OpenPrefixes()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Used(device)
}

func readSetting(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join(procNet, path))
	return strings.TrimSpace(string(b)), err
}

func dialSocket(path string) error {
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	return c.Close()
}
