// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
)

// maxForgotten stops connections that move faster than the kernel forgets from filling the
// memory. Entries over the bound stay until the kernel's own time-out.
const maxForgotten = 1024

// trackerSetting is there if the kernel tracks connections. Asking for the tracker's
// netlink interface would load it otherwise.
const trackerSetting = procNet + "/netfilter/nf_conntrack_max"

// Tracker is the host's connection tracking (conntrack). It sees a connection that moves
// as several. One that was left is never closed, so the tracker would keep it for days. A
// Tracker has the host forget it. Its methods may be called concurrently.
type Tracker struct {
	logger *slog.Logger
	conn   trackerConn
	failed sync.Once // has been logged
	idle   sync.WaitGroup

	mu     sync.Mutex
	queue  chan flow
	closed bool
}

// flow are the addresses of a connection's packets in one direction.
type flow struct{ from, to netip.AddrPort }

// trackerConn is a connection to the kernel's tracker.
type trackerConn interface {
	forget(flow) error
	close() error
}

// OpenTracker returns the tracker of the network namespace of the calling thread. If the
// system has none that this package knows, the Tracker does nothing. logger gets the first
// failure (warn). Nil means no logging.
func OpenTracker(logger *slog.Logger) *Tracker {
	if logger == nil {
		logger = discard
	}
	conn, err := dialTracker()
	if err != nil {
		conn = noTracker{err}
	}
	return newTracker(conn, logger)
}

// noTracker is a tracker that cannot be reached.
type noTracker struct{ err error }

func (n noTracker) forget(flow) error { return n.err }
func (noTracker) close() error        { return nil }

func newTracker(conn trackerConn, logger *slog.Logger) *Tracker {
	t := &Tracker{logger: logger, conn: conn, queue: make(chan flow, maxForgotten)}
	t.idle.Go(t.run)
	return t
}

// Forget has the host forget the connection whose packets go from one address to another
// by the host. They may be packets of either direction, and addresses before or behind a
// translation. Forget does not wait. The first failure is logged, such as one for lack of
// CAP_NET_ADMIN. After Close, Forget does nothing.
func (t *Tracker) Forget(from, to netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	select {
	case t.queue <- flow{unmap(from), unmap(to)}:
	default:
	}
}

// unmap turns an IPv4-mapped address into an IPv4 address.
func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Close waits until the host has forgotten all. The second call does nothing.
func (t *Tracker) Close() error {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if closed {
		return nil
	}
	close(t.queue)
	t.idle.Wait()
	return t.conn.close()
}

func (t *Tracker) run() {
	for f := range t.queue {
		if _, err := os.Stat(trackerSetting); errors.Is(err, os.ErrNotExist) {
			continue // the host tracks nothing
		}
		if err := t.conn.forget(f); err != nil {
			t.failed.Do(func() {
				t.logger.Warn("hostnet: connection tracking keeps connections that have moved", "error", err)
			})
		}
	}
}
