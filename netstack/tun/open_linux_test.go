// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tun

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mnet-dev/mnet/internal/tundev"
)

// TestExplainOpen is about errors that cannot be had from every system.
func TestExplainOpen(t *testing.T) {
	for _, c := range []struct {
		errno unix.Errno
		is    error
		says  string
	}{
		{unix.ENOENT, ErrNoDriver, "modprobe tun"},
		{unix.ENODEV, ErrNoDriver, "container"},
		{unix.EINVAL, ErrNoDriver, "choose driver water"},
		{unix.EPERM, ErrPermission, "CAP_NET_ADMIN"},
		{unix.EACCES, ErrPermission, tundev.Path},
		{unix.EBUSY, ErrInUse, "ip link del mnet0"},
		{unix.EMFILE, unix.EMFILE, "too many open files"},
	} {
		err := explainOpen("mnet0", os.NewSyscallError("open", c.errno))
		if !errors.Is(err, c.is) || !errors.Is(err, c.errno) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.errno, err)
		}
	}
}
