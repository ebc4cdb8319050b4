// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"errors"
	"net"
	"sync"

	"github.com/mnet-dev/mnet/internal/measure/pattern"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// user runs an application over one connection after the other.
type user struct {
	conns   chan net.Conn
	current net.Conn
	running sync.WaitGroup
	wrong   error
}

func use(a *application, c net.Conn) *user {
	u := &user{conns: make(chan net.Conn, 1)}
	u.running.Go(func() {
		for c := range u.conns {
			if err := a.run(c); errors.Is(err, pattern.ErrWrong) {
				u.wrong = err
			}
			relay.Abort(c)
		}
	})
	u.change(c)
	return u
}

// change goes on with another connection, when the first has ended.
func (u *user) change(c net.Conn) {
	u.current = c
	u.conns <- c
}

// stop closes the connection, and tells if something wrong has come.
func (u *user) stop() error {
	close(u.conns)
	relay.Abort(u.current)
	u.running.Wait()
	return u.wrong
}
