// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import "github.com/songgao/water"

// waterParams: a name must be utun and a number; empty means the first free one.
func waterParams(name string) water.PlatformSpecificParams {
	return water.PlatformSpecificParams{Name: name}
}
