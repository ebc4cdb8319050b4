// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
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
	n, err := ParsePort(port)
	if err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	*r = ServeRule{n, target}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r ServeRule) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d=%s", r.Port, r.Target), nil
}

// check is for rules that have not come by UnmarshalText.
func (r ServeRule) check() error {
	if r.Port == 0 {
		return errors.New("port 0: want a number from 1 to 65535")
	}
	return checkHostPort(r.Target, 1)
}

// CheckServe returns an error if rules that are to hold at the same time are wrong. The
// error is an [ErrConfig].
func CheckServe(rules []ServeRule) error {
	ports := make(map[uint16]bool)
	for _, r := range rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("%w: serve: %w", ErrConfig, err)
		}
		if ports[r.Port] {
			return fmt.Errorf("%w: serve: port %d is given twice: choose another port", ErrConfig, r.Port)
		}
		ports[r.Port] = true
	}
	return nil
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
	rule := ForwardRule{localListen(listen), target}
	if err := rule.check(); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	*r = rule
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r ForwardRule) MarshalText() ([]byte, error) {
	return []byte(r.Listen + "=" + r.Target), nil
}

// check is for rules that have not come by UnmarshalText, too.
func (r ForwardRule) check() error {
	if err := checkHostPort(r.Listen, 0); err != nil {
		return err
	}
	return checkDialled(r.Target)
}

// CheckForward returns an error if rules that are to hold at the same time are wrong.
// The error is an [ErrConfig].
func CheckForward(rules []ForwardRule) error {
	listens := make(map[string]bool)
	for _, r := range rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("%w: forward: %w", ErrConfig, err)
		}
		if listens[r.Listen] && !anyPort(r.Listen) {
			return fmt.Errorf("%w: forward: %s is given twice: choose another port", ErrConfig, r.Listen)
		}
		listens[r.Listen] = true
	}
	return nil
}

// CheckDial returns an error if an address that the stack is to dial, "host:port", is
// wrong. The error is an [ErrConfig].
func CheckDial(address string) error {
	if err := checkDialled(address); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// checkDialled is CheckDial without the kind of the error.
func checkDialled(address string) error {
	if host, _, err := net.SplitHostPort(address); err == nil && host == "" {
		return fmt.Errorf("%q: want HOST:PORT", address)
	}
	return checkHostPort(address, 1)
}

// CheckSOCKS returns an error if the address of a SOCKS proxy is wrong. It is
// "host:port" or a port of 127.0.0.1. The error is an [ErrConfig].
func CheckSOCKS(address string) error {
	if err := checkHostPort(localListen(address), 0); err != nil {
		return fmt.Errorf("%w: socks: %w", ErrConfig, err)
	}
	return nil
}

// localListen completes "PORT" to an address that only the host itself reaches.
func localListen(listen string) string {
	if strings.Contains(listen, ":") {
		return listen
	}
	return "127.0.0.1:" + listen
}

// anyPort reports whether the system chooses the port of an address.
func anyPort(listen string) bool {
	_, port, _ := net.SplitHostPort(listen)
	n, _ := strconv.ParseUint(port, 10, 16)
	return n == 0
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

// ParsePort parses the number of a port that can be dialled.
func ParsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q: want a number from 1 to 65535", text)
	}
	return uint16(n), nil
}
