// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tundev opens TUN devices of Linux.
package tundev

import (
	"os"

	"golang.org/x/sys/unix"
)

// Path is the clone device: each open of it can become one TUN device.
const Path = "/dev/net/tun"

// Open creates a TUN device in the network namespace of the calling thread, and returns
// its name. Packets have no header before them (IFF_NO_PI). flags are further flags of
// TUNSETIFF, and setup is called with the descriptor once the device is there. An empty
// name means that the kernel chooses one. The device goes with the file.
func Open(name string, flags uint16, setup func(fd int) error) (*os.File, string, error) {
	fd, err := unix.Open(Path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, "", os.NewSyscallError("open "+Path, err)
	}
	name, err = attach(fd, name, flags)
	if err == nil {
		err = setup(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, "", err
	}
	// Only now: the runtime's poller refuses a descriptor without a device.
	return os.NewFile(uintptr(fd), Path), name, nil
}

func attach(fd int, name string, flags uint16) (string, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return "", err
	}
	// TUN_EXCL: do not become the owner of a persistent device of that name.
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_TUN_EXCL | flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return "", os.NewSyscallError("ioctl TUNSETIFF", err)
	}
	return ifr.Name(), nil
}
