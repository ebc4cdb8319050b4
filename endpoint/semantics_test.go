// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"io"
	"math/rand"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// pairFunc makes two connected ends; a dialled, b accepted.
type pairFunc func(testing.TB) (a, b tcpConn)

// pairCase is an action on a pair of connections, and the results that the user sees.
// The user is one of package net on Linux, or one of this package.
type pairCase struct {
	name string
	// aborts is set where a RST is part of the case.
	aborts bool
	// fixed is set where the addresses must not change meanwhile.
	fixed bool
	run   func(t *testing.T, a, b tcpConn) []string
	want  []string
}

// runSemantics runs the cases that wanted returns true for, all if it is nil, on
// pairs that newPair makes.
func runSemantics(t *testing.T, newPair pairFunc, wanted func(pairCase) bool) {
	for _, c := range slices.Concat(closeCases, deadlineCases, dataCases) {
		if wanted != nil && !wanted(c) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			a, b := newPair(t)
			if got := c.run(t, a, b); !slices.Equal(got, c.want) {
				t.Errorf("saw\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

func TestSemantics(t *testing.T) {
	t.Run("kernel", func(t *testing.T) {
		runSemantics(t, func(tb testing.TB) (a, b tcpConn) { return kernelNet(tb).pair(tb) }, nil)
	})
	t.Run("stack", func(t *testing.T) {
		runSemantics(t, func(tb testing.TB) (a, b tcpConn) { return pipeNet(tb).pair(tb) }, nil)
	})
}

var past = time.Unix(1, 0)

// now returns the time on the clock that the deadlines of c are measured by.
func now(c tcpConn) time.Time {
	if c, ok := c.(*Conn); ok {
		return c.Stack().Clock().Now()
	}
	return time.Now()
}

// fill writes to c until it fails.
func fill(c net.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
}

func mustWrite(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, c net.Conn, n int) string {
	t.Helper()
	buf := make([]byte, n)
	if _, err := io.ReadFull(c, buf); err != nil {
		t.Fatal(err)
	}
	return string(buf)
}

// pattern returns n bytes that depend on seed.
func pattern(n int, seed int64) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// failing fails to read and to write.
type failing struct{}

func (failing) Read([]byte) (int, error)  { return 0, errBoom }
func (failing) Write([]byte) (int, error) { return 0, errBoom }
