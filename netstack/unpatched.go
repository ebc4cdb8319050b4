// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import "runtime/debug"

// ErrUnpatched says that this program was built with a gVisor without the migration
// hooks. Its text says how this program gets them.
var ErrUnpatched error = unpatchedError{}

// PatchCommand gives a module that embeds mnet a gVisor with the hooks.
const PatchCommand = "go run github.com/mnet-dev/mnet/patches/gvpatch apply -dir third_party/gvisor"

type unpatchedError struct{}

func (unpatchedError) Error() string {
	return "gVisor lacks the migration hooks; " + patchAdvice(debug.ReadBuildInfo())
}

const mnetModule = "github.com/mnet-dev/mnet"

// patchAdvice says how a program gets a gVisor with the hooks. ok is false if the
// program does not know how it was built.
func patchAdvice(info *debug.BuildInfo, ok bool) string {
	switch {
	case !ok || info.Main.Path != mnetModule:
		return "in your module run: " + PatchCommand
	case info.Main.Sum != "":
		// Built by "go install ...@version": the module cache can't be patched.
		return "go install can't apply the patches; run: git clone https://" + mnetModule + " && make -C mnet build"
	default:
		return "in the directory of mnet run: make build"
	}
}
