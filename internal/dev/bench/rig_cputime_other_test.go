// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package bench

import "time"

// cpuTime returns 0: unknown.
func cpuTime() time.Duration { return 0 }
