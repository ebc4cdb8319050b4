// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestExplain is about errors that cannot be had from every system.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		explain func(error) error
		errno   unix.Errno
		is      error
		says    string
	}{
		{explainNFT, unix.EPERM, ErrPermission, "CAP_NET_ADMIN"},
		{explainNFT, unix.EPROTONOSUPPORT, errors.ErrUnsupported, "modules nf_tables"},
		{explainNFT, unix.ENOENT, errors.ErrUnsupported, "nft_fib_inet"},
		{explainNFT, unix.EMFILE, unix.EMFILE, "too many open files"},
		{explainWrite, unix.EACCES, ErrPermission, "CAP_NET_ADMIN"},
		{explainWrite, unix.EROFS, ErrPermission, "writable /proc/sys"},
		{explainWrite, unix.EINVAL, unix.EINVAL, "invalid argument"},
	} {
		err := c.explain(os.NewSyscallError("call", c.errno))
		if !errors.Is(err, c.is) || !errors.Is(err, c.errno) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.errno, err)
		}
	}
}
