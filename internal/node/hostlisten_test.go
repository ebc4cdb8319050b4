// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/mnet-dev/mnet/netstack"
)

// TestExplainListen wants the kind and the remedy for each error.
func TestExplainListen(t *testing.T) {
	bind := func(errno syscall.Errno) error {
		return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)}
	}
	for _, c := range []struct {
		err, kind error
		says      string
	}{
		{&net.DNSError{Err: "no such host", Name: "nowhere", IsNotFound: true}, ErrConfig, "name an address of the host"},
		{&net.DNSError{Err: "i/o timeout", Name: "server", IsTimeout: true}, nil, "choose another address or port"},
		{bind(syscall.EADDRINUSE), netstack.ErrInUse, "ss -ltnp"},
		{bind(syscall.EACCES), netstack.ErrPermission, "1024 or above"},
		{bind(syscall.EADDRNOTAVAIL), nil, "choose another address or port"},
	} {
		got := explainListen(c.err)
		for _, kind := range []error{ErrConfig, netstack.ErrInUse, netstack.ErrPermission} {
			if errors.Is(got, kind) != (kind == c.kind) {
				t.Errorf("%v is %v: %v", got, kind, errors.Is(got, kind))
			}
		}
		if !errors.Is(got, c.err) || !strings.Contains(got.Error(), c.says) {
			t.Errorf("%v does not say %q", got, c.says)
		}
	}
}
