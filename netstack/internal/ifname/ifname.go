// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package ifname checks names of network interfaces of the host.
package ifname

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mnet-dev/mnet/netstack"
)

// MaxLen is the largest length of a name, in bytes: IFNAMSIZ without the terminating
// zero.
const MaxLen = 15

// reserved are the names that Linux keeps for itself: /proc/sys/net has a directory of
// each for the settings of all interfaces and of future ones.
var reserved = []string{"all", "default"}

// Check says why no interface can have the name. The error is a
// [netstack.ErrConfig].
func Check(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("device name: %w: it is empty: give one", netstack.ErrConfig)
	case len(name) > MaxLen:
		return fmt.Errorf("device name %q has %d bytes: %w: choose one of at most %d", name, len(name), netstack.ErrConfig, MaxLen)
	case slices.Contains(reserved, name):
		return fmt.Errorf("device name %q: %w: the kernel keeps that name for settings of all devices: choose another", name, netstack.ErrConfig)
	case name == "." || name == ".." || strings.ContainsFunc(name, unfit):
		return fmt.Errorf("device name %q: %w: choose one of letters and digits", name, netstack.ErrConfig)
	}
	return nil
}

// unfit reports whether a name must not have r: Linux refuses it, or puts a number in
// its place (%), or it is not ASCII.
func unfit(r rune) bool {
	return r <= ' ' || r > '~' || r == '/' || r == ':' || r == '%'
}
