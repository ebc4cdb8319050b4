// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package tun

import "github.com/songgao/water"

// waterParams returns water's defaults for the system, since water cannot set a name
// there.
func waterParams(string) water.PlatformSpecificParams {
	return water.PlatformSpecificParams{}
}
