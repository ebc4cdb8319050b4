// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tunPath is the clone device: each open of it can become one TUN device.
const tunPath = "/dev/net/tun"

// tunQueue is how many packets wait in the kernel until this process is scheduled:
// the bursts of a fast sender, on a busy machine.
const tunQueue = 4096

// openTun makes a TUN device in the namespace and sets it up. Without IFF_VNET_HDR
// the kernel cuts segments to the MTU and fills in checksums before they are read.
func (ns *Namespace) openTun(name string, mtu int) (*os.File, error) {
	var file *os.File
	err := ns.Do(func() error {
		fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return ns.wrap(os.NewSyscallError("open "+tunPath, err))
		}
		if err := attachTun(fd, name); err != nil {
			unix.Close(fd)
			return ns.wrap(err)
		}
		// Only now: the runtime's poller refuses a descriptor without a device.
		file = os.NewFile(uintptr(fd), name)
		err = ns.withLink(name, func(l netlink.Link) error {
			if err := ns.rt.LinkSetMTU(l, mtu); err != nil {
				return err
			}
			if err := ns.rt.LinkSetTxQLen(l, tunQueue); err != nil {
				return err
			}
			return ns.rt.LinkSetUp(l)
		})
		if err != nil {
			file.Close()
		}
		return err
	})
	return file, err
}

func attachTun(fd int, name string) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_TUN_EXCL)
	return os.NewSyscallError("ioctl TUNSETIFF", unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr))
}
