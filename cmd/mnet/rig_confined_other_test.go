// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

// confined is for Linux.
func confined() { panic("for Linux") }
