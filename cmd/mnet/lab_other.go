// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newLab() *cobra.Command {
	return &cobra.Command{
		Use:   "lab",
		Short: "Roam between networks in a laboratory (Linux only)",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("the laboratory is made of network namespaces, which Linux has: %w", errors.ErrUnsupported)
		},
	}
}
