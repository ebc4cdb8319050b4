// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"fmt"
	"net"
	"os"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/netstack"
)

var (
	errClosed   = net.ErrClosed
	errNoStack  = fmt.Errorf("endpoint: %w: no stack", netstack.ErrConfig)
	errDialTime = error(&dialTimeoutError{})
)

// dialTimeoutError is the error of a dial whose time is up: the Dialer's own timeout or
// deadline, or its share of the context's. As in the net package, it is
// context.DeadlineExceeded as well: either of two timers may be first.
type dialTimeoutError struct{}

func (*dialTimeoutError) Error() string   { return "i/o timeout" }
func (*dialTimeoutError) Timeout() bool   { return true }
func (*dialTimeoutError) Temporary() bool { return true }
func (*dialTimeoutError) Unwrap() []error {
	return []error{os.ErrDeadlineExceeded, context.DeadlineExceeded}
}

// syscallError makes an error of gVisor look like an error of a system call. Users of
// the net package know its text and type.
func syscallError(call string, terr tcpip.Error) error {
	return os.NewSyscallError(call, netstack.Errno(terr))
}

// opError wraps err as the net package does for operations on a connection.
func (c *Conn) opError(op string, err error) error {
	local, remote := c.addrs()
	return &net.OpError{Op: op, Net: c.network, Source: tcpAddr(local), Addr: tcpAddr(remote), Err: err}
}

// setError wraps err as the net package does for deadlines and buffer sizes: with
// the local address, as the only one.
func (c *Conn) setError(err error) error {
	return &net.OpError{Op: "set", Net: c.network, Addr: c.LocalAddr(), Err: err}
}
