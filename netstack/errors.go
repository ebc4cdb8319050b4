// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Kinds of errors, which the packages of this module share. An error of one of these
// kinds wraps the sentinel. So errors.Is finds it for each package that returns it. Its
// text names the remedy.
var (
	// ErrConfig: a setting or an argument is wrong in any state of the system.
	ErrConfig = errors.New("invalid configuration")
	// ErrPermission: the process lacks a privilege, such as CAP_NET_ADMIN.
	ErrPermission = errors.New("not permitted")
	// ErrInUse: an address, a port, a name or a route belongs to somebody else.
	ErrInUse = errors.New("in use")
)

// ErrClosed says that the stack was closed. It is a net.ErrClosed.
var ErrClosed = fmt.Errorf("netstack: stack is closed: %w", net.ErrClosed)

// ErrDetached says that the NIC is no longer part of its stack.
var ErrDetached = fmt.Errorf("netstack: NIC is detached: %w", syscall.ENODEV)

// Error turns an error of gVisor into a Go error. Its text is gVisor's. errors.Is finds
// the error number of [Errno], and [ErrInUse] or [ErrPermission] where that number says
// so. A nil error stays nil.
func Error(terr tcpip.Error) error {
	if terr == nil {
		return nil
	}
	return &stackError{terr}
}

type stackError struct{ terr tcpip.Error }

func (e *stackError) Error() string   { return e.terr.String() }
func (e *stackError) Timeout() bool   { return Errno(e.terr).Timeout() }
func (e *stackError) Temporary() bool { return Errno(e.terr).Temporary() }

// Is adds the kind of the error to its number.
func (e *stackError) Is(target error) bool {
	switch Errno(e.terr) {
	case syscall.EADDRINUSE, syscall.EEXIST:
		return target == ErrInUse
	case syscall.EPERM, syscall.EACCES:
		return target == ErrPermission
	default:
		return false
	}
}

func (e *stackError) Unwrap() error {
	if errno := Errno(e.terr); errno != 0 {
		return errno
	}
	return nil
}

// Errno returns the error number a Unix system gives for an error of gVisor. It
// is 0 for nil, and for ErrClosedForReceive, which is the end of a stream and no
// error. An error that gVisor adds in the future gives EIO.
func Errno(terr tcpip.Error) syscall.Errno {
	switch terr.(type) {
	case nil, *tcpip.ErrClosedForReceive:
		return 0
	case *tcpip.ErrAborted, *tcpip.ErrConnectionAborted:
		return syscall.ECONNABORTED
	case *tcpip.ErrAddressFamilyNotSupported:
		return syscall.EAFNOSUPPORT
	case *tcpip.ErrAlreadyConnected:
		return syscall.EISCONN
	case *tcpip.ErrAlreadyConnecting:
		return syscall.EALREADY
	case *tcpip.ErrAlreadyBound, *tcpip.ErrInvalidEndpointState, *tcpip.ErrInvalidOptionValue,
		*tcpip.ErrInvalidPortRange, *tcpip.ErrMalformedHeader, *tcpip.ErrMissingRequiredFields,
		*tcpip.ErrMulticastInputCannotBeOutput, *tcpip.ErrInvalidNICID:
		return syscall.EINVAL
	case *tcpip.ErrBadAddress, *tcpip.ErrBadBuffer:
		return syscall.EFAULT
	case *tcpip.ErrBadLocalAddress:
		return syscall.EADDRNOTAVAIL
	case *tcpip.ErrBroadcastDisabled:
		return syscall.EACCES
	case *tcpip.ErrClosedForSend:
		return syscall.EPIPE
	case *tcpip.ErrConnectStarted:
		return syscall.EINPROGRESS
	case *tcpip.ErrConnectionRefused:
		return syscall.ECONNREFUSED
	case *tcpip.ErrConnectionReset:
		return syscall.ECONNRESET
	case *tcpip.ErrDestinationRequired:
		return syscall.EDESTADDRREQ
	case *tcpip.ErrDuplicateAddress, *tcpip.ErrDuplicateNICID:
		return syscall.EEXIST
	case *tcpip.ErrEndpointBusy:
		return syscall.EBUSY
	case *tcpip.ErrHostDown:
		return syscall.EHOSTDOWN
	case *tcpip.ErrHostUnreachable:
		return syscall.EHOSTUNREACH
	case *tcpip.ErrMessageTooLong:
		return syscall.EMSGSIZE
	case *tcpip.ErrNetworkUnreachable, *tcpip.ErrNoNet:
		return syscall.ENETUNREACH
	case *tcpip.ErrNoBufferSpace:
		return syscall.ENOBUFS
	case *tcpip.ErrNoPortAvailable, *tcpip.ErrWouldBlock:
		return syscall.EAGAIN
	case *tcpip.ErrNoSuchFile:
		return syscall.ENOENT
	case *tcpip.ErrNotConnected:
		return syscall.ENOTCONN
	case *tcpip.ErrNotPermitted:
		return syscall.EPERM
	case *tcpip.ErrNotSupported:
		return syscall.EOPNOTSUPP
	case *tcpip.ErrPortInUse:
		return syscall.EADDRINUSE
	case *tcpip.ErrQueueSizeNotSupported:
		return syscall.ENOTTY
	case *tcpip.ErrTimeout:
		return syscall.ETIMEDOUT
	case *tcpip.ErrUnknownDevice, *tcpip.ErrUnknownNICID:
		return syscall.ENODEV
	case *tcpip.ErrUnknownProtocol:
		return syscall.EPROTONOSUPPORT
	case *tcpip.ErrUnknownProtocolOption:
		return syscall.ENOPROTOOPT
	default:
		return syscall.EIO
	}
}
