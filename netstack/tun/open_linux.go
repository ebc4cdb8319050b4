// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/tundev"
)

const defaultDriver = VNetHdr

// offloads are the kinds of packets that the stack takes from the kernel: packets
// without transport checksum, and TCP segments larger than the MTU.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6

// openDevice creates the device and sets its MTU.
func openDevice(cfg Config) (dev device, name string, err error) {
	if cfg.Driver == VNetHdr {
		dev, name, err = openVNetHdr(cfg)
	} else {
		dev, name, err = openWater(cfg)
	}
	if err != nil {
		return nil, "", explainOpen(cfg.Name, err)
	}
	if err := setMTU(name, int(cfg.MTU)); err != nil {
		dev.Close()
		return nil, "", fmt.Errorf("%s: set MTU %d: %w", name, cfg.MTU, explainErrno(err))
	}
	return dev, name, nil
}

func openVNetHdr(cfg Config) (device, string, error) {
	file, name, err := tundev.Open(cfg.Name, unix.IFF_VNET_HDR, setupVNetHdr)
	if err != nil {
		return nil, "", err
	}
	dev, err := newVNetDevice(file)
	if err != nil {
		file.Close()
		return nil, "", err
	}
	return dev, name, nil
}

func setupVNetHdr(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetHdrLen); err != nil {
		return os.NewSyscallError("ioctl TUNSETVNETHDRSZ", err)
	}
	return os.NewSyscallError("ioctl TUNSETOFFLOAD", unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads))
}

func openWater(cfg Config) (device, string, error) {
	// water would become the owner of a persistent device of that name.
	if cfg.Name != "" {
		if _, err := netlink.LinkByName(cfg.Name); err == nil {
			return nil, "", unix.EBUSY
		}
	}
	// water lets child processes inherit the descriptor, which would keep the
	// device alive after Close: none may start until that is put right.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	ifce, err := water.New(water.Config{
		DeviceType:             water.TUN,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: cfg.Name},
	})
	if err != nil {
		return nil, "", err
	}
	if f, ok := ifce.ReadWriteCloser.(*os.File); ok {
		err = closeOnExec(f)
	}
	if err != nil {
		ifce.Close()
		return nil, "", err
	}
	return newPacketDevice(ifce, cfg.MTU), ifce.Name(), nil
}

func closeOnExec(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Control(func(fd uintptr) { unix.CloseOnExec(int(fd)) })
}

// explainOpen adds the remedy to an error of the TUN driver.
func explainOpen(name string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%w (%w): load the module (modprobe tun); in a container, pass the device %s to it", ErrNoDriver, err, tundev.Path)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("device name %q: %w (%w): choose another, or remove the device (ip link del %s)", name, ErrInUse, err, name)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w (%w): this kernel lacks what driver %v needs: choose driver %v", ErrNoDriver, err, VNetHdr, Water)
	default:
		return explainErrno(err)
	}
}

// explainErrno adds the remedy to an error about a missing permission.
func explainErrno(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w (%w): run as root or with CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN), and with access to %s", ErrPermission, err, tundev.Path)
	}
	return err
}
