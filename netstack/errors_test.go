// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
)

var errnos = []struct {
	terr tcpip.Error
	want syscall.Errno
}{
	{&tcpip.ErrAborted{}, syscall.ECONNABORTED},
	{&tcpip.ErrAddressFamilyNotSupported{}, syscall.EAFNOSUPPORT},
	{&tcpip.ErrAlreadyBound{}, syscall.EINVAL},
	{&tcpip.ErrAlreadyConnected{}, syscall.EISCONN},
	{&tcpip.ErrAlreadyConnecting{}, syscall.EALREADY},
	{&tcpip.ErrBadAddress{}, syscall.EFAULT},
	{&tcpip.ErrBadBuffer{}, syscall.EFAULT},
	{&tcpip.ErrBadLocalAddress{}, syscall.EADDRNOTAVAIL},
	{&tcpip.ErrBroadcastDisabled{}, syscall.EACCES},
	{&tcpip.ErrClosedForReceive{}, 0},
	{&tcpip.ErrClosedForSend{}, syscall.EPIPE},
	{&tcpip.ErrConnectStarted{}, syscall.EINPROGRESS},
	{&tcpip.ErrConnectionAborted{}, syscall.ECONNABORTED},
	{&tcpip.ErrConnectionRefused{}, syscall.ECONNREFUSED},
	{&tcpip.ErrConnectionReset{}, syscall.ECONNRESET},
	{&tcpip.ErrDestinationRequired{}, syscall.EDESTADDRREQ},
	{&tcpip.ErrDuplicateAddress{}, syscall.EEXIST},
	{&tcpip.ErrDuplicateNICID{}, syscall.EEXIST},
	{&tcpip.ErrEndpointBusy{}, syscall.EBUSY},
	{&tcpip.ErrHostDown{}, syscall.EHOSTDOWN},
	{&tcpip.ErrHostUnreachable{}, syscall.EHOSTUNREACH},
	{&tcpip.ErrInvalidEndpointState{}, syscall.EINVAL},
	{&tcpip.ErrInvalidNICID{}, syscall.EINVAL},
	{&tcpip.ErrInvalidOptionValue{}, syscall.EINVAL},
	{&tcpip.ErrInvalidPortRange{}, syscall.EINVAL},
	{&tcpip.ErrMalformedHeader{}, syscall.EINVAL},
	{&tcpip.ErrMessageTooLong{}, syscall.EMSGSIZE},
	{&tcpip.ErrMissingRequiredFields{}, syscall.EINVAL},
	{&tcpip.ErrMulticastInputCannotBeOutput{}, syscall.EINVAL},
	{&tcpip.ErrNetworkUnreachable{}, syscall.ENETUNREACH},
	{&tcpip.ErrNoBufferSpace{}, syscall.ENOBUFS},
	{&tcpip.ErrNoNet{}, syscall.ENETUNREACH},
	{&tcpip.ErrNoPortAvailable{}, syscall.EAGAIN},
	{&tcpip.ErrNoSuchFile{}, syscall.ENOENT},
	{&tcpip.ErrNotConnected{}, syscall.ENOTCONN},
	{&tcpip.ErrNotPermitted{}, syscall.EPERM},
	{&tcpip.ErrNotSupported{}, syscall.EOPNOTSUPP},
	{&tcpip.ErrPortInUse{}, syscall.EADDRINUSE},
	{&tcpip.ErrQueueSizeNotSupported{}, syscall.ENOTTY},
	{&tcpip.ErrTimeout{}, syscall.ETIMEDOUT},
	{&tcpip.ErrUnknownDevice{}, syscall.ENODEV},
	{&tcpip.ErrUnknownNICID{}, syscall.ENODEV},
	{&tcpip.ErrUnknownProtocol{}, syscall.EPROTONOSUPPORT},
	{&tcpip.ErrUnknownProtocolOption{}, syscall.ENOPROTOOPT},
	{&tcpip.ErrWouldBlock{}, syscall.EAGAIN},
}

func TestErrno(t *testing.T) {
	for _, c := range errnos {
		if got := Errno(c.terr); got != c.want {
			t.Errorf("Errno(%T) = %d (%v), want %d (%v)", c.terr, got, got, c.want, c.want)
		}
		err := Error(c.terr)
		if err.Error() != c.terr.String() {
			t.Errorf("Error(%T) says %q, want %q", c.terr, err, c.terr)
		}
		if c.want != 0 && !errors.Is(err, c.want) {
			t.Errorf("Error(%T) is not a %v", c.terr, c.want)
		}
	}
	if Errno(nil) != 0 || Error(nil) != nil {
		t.Errorf("nil gives %v and %v", Errno(nil), Error(nil))
	}
	var timeout interface{ Timeout() bool }
	if !errors.As(Error(&tcpip.ErrTimeout{}), &timeout) || !timeout.Timeout() {
		t.Error("ErrTimeout is no timeout")
	}
}

// TestErrnoComplete fails when gVisor gets an error that the table lacks.
func TestErrnoComplete(t *testing.T) {
	pkg, err := build.Import("gvisor.dev/gvisor/pkg/tcpip", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, "errors.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, c := range errnos {
		known[reflect.TypeOf(c.terr).Elem().Name()] = true
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && strings.HasPrefix(spec.Name.Name, "Err") && spec.Name.Name != "Error" {
			found++
			if !known[spec.Name.Name] {
				t.Errorf("%s is not in the table", spec.Name.Name)
			}
		}
		return true
	})
	if found != len(errnos) {
		t.Errorf("gVisor has %d errors, the table %d", found, len(errnos))
	}
}

// TestKinds checks gVisor's errors and this package's own with errors.Is.
func TestKinds(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, badRTO := New(Config{MinRTO: 2, MaxRTO: 1})
	_, badBuffer := New(Config{SendBuffer: BufferSizes{Min: 2, Max: 1}})
	_, badAlgorithm := New(Config{CongestionControl: "vegas"})
	_, badRoute := Route{Destination: Default4, Gateway: netip.IPv6Loopback()}.canonical()
	lo := s.nics[0]
	for name, c := range map[string]struct{ err, kind error }{
		"port":            {Error(&tcpip.ErrPortInUse{}), ErrInUse},
		"address twice":   {lo.AddAddress(loopback4), ErrInUse},
		"tuple":           {ErrAddrInUse, ErrInUse},
		"not permitted":   {Error(&tcpip.ErrNotPermitted{}), ErrPermission},
		"no broadcast":    {Error(&tcpip.ErrBroadcastDisabled{}), ErrPermission},
		"RTO":             {badRTO, ErrConfig},
		"buffer":          {badBuffer, ErrConfig},
		"algorithm":       {badAlgorithm, ErrConfig},
		"mixed families":  {badRoute, ErrConfig},
		"no real address": {lo.AddAddress(netip.MustParsePrefix("0.0.0.0/8")), ErrConfig},
	} {
		for _, kind := range []error{ErrInUse, ErrPermission, ErrConfig} {
			if got, want := errors.Is(c.err, kind), kind == c.kind; got != want {
				t.Errorf("%s: %q is %q: %v", name, c.err, kind, got)
			}
		}
	}
}
