// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package tun

import "github.com/songgao/water"

// waterParams: water has its own defaults, and the name is not among what it sets.
func waterParams(string) water.PlatformSpecificParams {
	return water.PlatformSpecificParams{}
}
