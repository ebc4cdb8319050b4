// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net/netip"

	"github.com/mnet-dev/mnet/endpoint/roam"
)

// path returns the text for the path that packets of a local address take now; empty if
// there is none.
func path(ups []roam.Uplink, local netip.Addr) string {
	for _, u := range ups {
		if u.Local == local {
			return u.Via.String()
		}
	}
	return ""
}

func uplinkStatus(ups []roam.Uplink) []UplinkStatus {
	list := make([]UplinkStatus, len(ups))
	for i, u := range ups {
		list[i] = UplinkStatus{u.Local, u.Via.String()}
	}
	return list
}
