// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hostnet

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
)

// Watch is for Linux.
func (w Watcher) Watch(func(State)) (stop func(), err error) {
	return nil, fmt.Errorf("hostnet: watch uplinks: %w", errors.ErrUnsupported)
}

// Blocked is for Linux.
func Blocked(string) (reason string, err error) {
	return "", fmt.Errorf("hostnet: %w", errors.ErrUnsupported)
}

// Prefixes is for Linux: there is none.
type Prefixes struct{}

// OpenPrefixes is for Linux.
func OpenPrefixes() (*Prefixes, error) {
	return nil, fmt.Errorf("hostnet: watch prefixes: %w", errors.ErrUnsupported)
}

// Used is for Linux.
func (*Prefixes) Used(string) ([]netip.Prefix, error) { return nil, errors.ErrUnsupported }

// Watch is for Linux.
func (*Prefixes) Watch(string, func(netip.Prefix)) {}

// Renumber is for Linux.
func (*Prefixes) Renumber(_ string, _, _ []netip.Prefix) error { return errors.ErrUnsupported }

// Close is for Linux.
func (*Prefixes) Close() {}

// table is for Linux: there is none.
type table struct{}

func openTable(string) (*table, error) {
	return nil, fmt.Errorf("%w: set up address translation by the system's own tools", errors.ErrUnsupported)
}

func (*table) apply(ShareConfig) error { return errors.ErrUnsupported }
func (*table) close() error            { return nil }

// guard is for Linux: there is none.
type guard struct{}

func openGuard(string, *table, *forwarding, *slog.Logger) (*guard, error) {
	return nil, errors.ErrUnsupported
}

func (*guard) enable(string, []Uplink) error { return errors.ErrUnsupported }
func (*guard) watch(func()) (stop func())    { return func() {} }
func (*guard) update() error                 { return errors.ErrUnsupported }
func (*guard) routed() []string              { return nil }
func (*guard) close()                        {}

func dialTracker() (trackerConn, error) {
	return nil, fmt.Errorf("hostnet: connection tracking: %w", errors.ErrUnsupported)
}
