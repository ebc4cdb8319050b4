// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hostnet

import (
	"errors"
	"fmt"
)

// Probe is for Linux.
func Probe() error { return fmt.Errorf("hostnet: %w", errors.ErrUnsupported) }
