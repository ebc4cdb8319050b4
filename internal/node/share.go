// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// Undoer gets each setting of the host before it is changed, to undo it if the process
// cannot.
type Undoer interface {
	Restore(hostnet.Setting) error
}

// redirect has port of the host's own addresses lead to the stack's first address of
// each family.
func (n *Node) redirect(port uint16) (undo func(), err error) {
	share := n.host.Share
	if share == nil {
		return nil, fmt.Errorf("%w: the node was started without dnat: start it with mnet up --dnat", ErrConfig)
	}
	var done []hostnet.Redirect
	undo = func() {
		for _, r := range done {
			if err := share.RemoveRedirect(r); err != nil {
				n.log.Warn("redirected port", "redirect", r, "err", err)
			}
		}
	}
	for _, a := range firstAddresses(n.host.NIC.Addresses()) {
		r := hostnet.Redirect{Port: port, To: netip.AddrPortFrom(a, port)}
		if err := share.Redirect(r); err != nil {
			undo()
			return nil, err
		}
		done = append(done, r)
	}
	return undo, nil
}

// firstAddresses returns the first address of each family.
func firstAddresses(ps []netip.Prefix) (first []netip.Addr) {
	for _, family := range []func(netip.Addr) bool{netip.Addr.Is4, netip.Addr.Is6} {
		if i := slices.IndexFunc(ps, func(p netip.Prefix) bool { return family(p.Addr()) }); i >= 0 {
			first = append(first, ps[i].Addr())
		}
	}
	return first
}
