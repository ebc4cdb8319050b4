// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// echo has a program of a namespace send back all that comes, and returns its address.
func (w *world) echo(ns *kernel.Namespace, address string) string {
	w.t.Helper()
	l, err := ns.Listen(w.ctx, "tcp", address)
	w.must(err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			close := context.AfterFunc(w.ctx, func() { c.Close() })
			serving.Go(func() {
				defer c.Close()
				defer close()
				io.Copy(c, c)
			})
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// dial connects a program of a namespace to address.
func (w *world) dial(ns *kernel.Namespace, address string) net.Conn {
	w.t.Helper()
	c, err := ns.Dial(w.timeout(patience), "tcp", address)
	w.must(err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

// echoed sends a message to an echo and reads it back. It fails the test if that takes
// longer than limit.
func (w *world) echoed(what string, c net.Conn, limit time.Duration) {
	w.t.Helper()
	if err := tryEcho(c, limit); err != nil {
		w.t.Errorf("%s: no echo within %v: %v", what, limit, err)
	}
}

func tryEcho(c net.Conn, limit time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	message := []byte(fmt.Sprint(time.Now()))
	if _, err := c.Write(message); err != nil {
		return err
	}
	answer := make([]byte, len(message))
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if string(answer) != string(message) {
		return fmt.Errorf("%q came back, not %q", answer, message)
	}
	return nil
}
