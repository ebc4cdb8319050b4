// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"runtime"
	"sync"
)

// wireProcessors is how many goroutines a wire has. GOMAXPROCS is raised by as many
// while there is the wire. Otherwise, goroutines that keep all processors of the
// runtime busy would delay its packets. A delay would be 10 ms and more each time,
// until they are preempted. The kernel shares the CPUs much more finely.
const wireProcessors = 4

// processors guards the change of a setting that all networks share.
var processors sync.Mutex

func addProcessors(n int) {
	processors.Lock()
	defer processors.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
}
