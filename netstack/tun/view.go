// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import "gvisor.dev/gvisor/pkg/buffer"

// take returns the first n bytes of *v. If they fill at least half of it, take does not
// copy them: *v goes with them, and a new view takes its place. Otherwise they go into
// a view of their own size. So a packet in a receive buffer holds at most twice the
// memory that the buffer accounts for. A peer that sends many small segments cannot
// make the stack hold a large view for each.
func take(v **buffer.View, n int) *buffer.View {
	full := *v
	if n < full.Size()/2 {
		return buffer.NewViewWithData(full.AsSlice()[:n])
	}
	*v = buffer.NewViewSize(full.Size())
	full.CapLength(n)
	return full
}
