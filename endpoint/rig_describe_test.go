// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// describe returns a caller's view of err, in the same words for the net package and
// for this one.
func describe(err error) string {
	switch err {
	case nil:
		return "ok"
	case io.EOF:
		return "EOF"
	}
	oe, ok := err.(*net.OpError)
	if !ok {
		return fmt.Sprintf("%T", err)
	}
	parts := []string{oe.Op}
	if oe.Source != nil {
		parts = append(parts, "src")
	}
	if oe.Addr != nil {
		parts = append(parts, "addr")
	}
	return strings.Join(append(parts, cause(err), flags(oe)), " ")
}

// cause names the error that errors.Is finds in err.
func cause(err error) string {
	var sys *os.SyscallError
	var errno syscall.Errno
	switch {
	case errors.Is(err, net.ErrClosed):
		return "closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "deadline"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "context-deadline"
	case errors.Is(err, errBoom):
		return "boom"
	case errors.As(err, &sys) && errors.As(err, &errno):
		return sys.Syscall + ":" + errno.Error()
	}
	for err := err; err != nil; err = errors.Unwrap(err) {
		switch err.(type) {
		case *net.AddrError, *net.DNSError, net.UnknownNetworkError:
			return fmt.Sprintf("%T", err)
		}
	}
	return err.Error()
}

func flags(err net.Error) string {
	if err.Timeout() {
		return "timeout"
	}
	return "-"
}

// errBoom is the error of failing readers and writers of the tests.
var errBoom = errors.New("boom")
