// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// ServeRule makes the stack listen on Port, of all its addresses, and hands each
// connection on to Target, "host:port" as the host reaches it. Its text form is
// "PORT=HOST:PORT".
type ServeRule struct {
	Port   uint16
	Target string
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *ServeRule) UnmarshalText(text []byte) error {
	port, target, err := splitRule(string(text), "22=127.0.0.1:22")
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%s: port %q: want a number from 1 to 65535", text, port)
	}
	*r = ServeRule{uint16(n), target}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r ServeRule) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d=%s", r.Port, r.Target), nil
}

// ForwardRule makes the host listen on Listen, "host:port", and hands each
// connection on to Target, "host:port" as the stack reaches it. Its text form is
// "[HOST:]PORT=HOST:PORT"; without a host it listens on 127.0.0.1.
type ForwardRule struct {
	Listen, Target string
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *ForwardRule) UnmarshalText(text []byte) error {
	listen, target, err := splitRule(string(text), "8080=server:80")
	if err != nil {
		return err
	}
	listen = localListen(listen)
	if err := checkHostPort(listen, 0); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	*r = ForwardRule{listen, target}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r ForwardRule) MarshalText() ([]byte, error) {
	return []byte(r.Listen + "=" + r.Target), nil
}

// localListen completes "PORT" to an address that only the host itself reaches.
func localListen(listen string) string {
	if strings.Contains(listen, ":") {
		return listen
	}
	return "127.0.0.1:" + listen
}

func splitRule(text, example string) (from, target string, err error) {
	from, target, ok := strings.Cut(text, "=")
	if !ok {
		return "", "", fmt.Errorf("%q: want a rule such as %s", text, example)
	}
	if err := checkHostPort(target, 1); err != nil {
		return "", "", fmt.Errorf("%s: %w", text, err)
	}
	return from, target, nil
}

// checkHostPort checks the form of "host:port", with a port of at least least.
func checkHostPort(s string, least uint64) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q: want HOST:PORT", s)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n < least {
		return fmt.Errorf("%q: want a port number from %d to 65535", s, least)
	}
	return nil
}
