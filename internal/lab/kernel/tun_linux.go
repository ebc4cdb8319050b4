// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"os"

	"github.com/vishvananda/netlink"

	"github.com/mnet-dev/mnet/internal/tundev"
)

// tunQueue is how many packets wait in the kernel until this process is scheduled:
// the bursts of a fast sender, on a busy machine.
const tunQueue = 4096

// openTun makes a TUN device in the namespace and sets it up. Without IFF_VNET_HDR
// the kernel cuts segments to the MTU and fills in checksums before they are read.
func (ns *Namespace) openTun(name string, mtu int) (file *os.File, err error) {
	err = ns.Do(func() error {
		if file, _, err = tundev.Open(name, 0, func(int) error { return nil }); err != nil {
			return ns.wrap(err)
		}
		err := ns.withLink(name, func(l netlink.Link) error {
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
