// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// settings are the settings of each new namespace. The machine's own settings do not
// matter: a namespace would inherit some of them.
var settings = [][2]string{
	{"net.ipv4.ip_forward", "0"},
	{"net.ipv6.conf.all.forwarding", "0"},
	{"net.ipv6.conf.all.disable_ipv6", "0"},
	// With several uplinks, the answer to a packet may leave by another uplink.
	{"net.ipv4.conf.all.rp_filter", "0"},
	{"net.ipv4.conf.default.rp_filter", "0"},
	// Take addresses into use at once, and ask for no routers: there are none.
	{"net.ipv6.conf.all.accept_dad", "0"},
	{"net.ipv6.conf.default.accept_dad", "0"},
	{"net.ipv6.conf.all.accept_ra", "0"},
	{"net.ipv6.conf.default.accept_ra", "0"},
	// A connection must not learn from an earlier one: measurements would differ.
	{"net.ipv4.tcp_no_metrics_save", "1"},
	{"net.netfilter.nf_conntrack_tcp_be_liberal", "0"},
}

// Namespace is a network namespace: a host or router of the network.
type Namespace struct {
	name string
	tid  int // its thread, which runs the functions of Do
	fd   int // the namespace
	rt   *netlink.Handle
	work chan func()
	stop chan struct{} // closed to end the thread
	done chan struct{} // closed when the thread is about to end

	mu       sync.Mutex
	closed   bool
	children map[*Process]struct{}
}

func newNamespace(name string) (*Namespace, error) {
	ns := &Namespace{
		name:     name,
		fd:       -1,
		work:     make(chan func()),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		children: map[*Process]struct{}{},
	}
	ready := make(chan error)
	thread(func() { ns.serve(ready) })
	if err := <-ready; err != nil {
		ns.close()
		return nil, ns.wrap(err)
	}
	return ns, nil
}

// serve is the life of the namespace's thread.
func (ns *Namespace) serve(ready chan<- error) {
	defer close(ns.done)
	ns.tid = unix.Gettid()
	ready <- ns.setup()
	for {
		select {
		case f := <-ns.work:
			f()
		case <-ns.stop:
			return
		}
	}
}

// setup moves the thread to a new namespace.
func (ns *Namespace) setup() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return explainUnshare(os.NewSyscallError("unshare", err))
	}
	var err error
	if ns.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return os.NewSyscallError("open namespace", err)
	}
	if ns.rt, err = netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
		return err
	}
	for _, s := range settings {
		if err := writeSysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	return ns.SetUp("lo")
}

// explainUnshare adds the remedy to an error.
func explainUnshare(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN", err)
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w: raise the sysctl user.max_net_namespaces", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the kernel needs CONFIG_NET_NS", err)
	default:
		return err
	}
}

// Name returns the name that the namespace was made with.
func (ns *Namespace) Name() string { return ns.name }

// Do runs f on the thread of the namespace and returns its error. Sockets, netlink
// handles and TUN devices that f opens belong to the namespace. One f runs at a time. f
// may call methods of the namespace. It must not wait for another goroutine that does,
// and must not end its goroutine, as testing's FailNow does.
func (ns *Namespace) Do(f func() error) error {
	if unix.Gettid() == ns.tid {
		select {
		case <-ns.done: // the number is another thread's now
			return ns.wrap(ErrClosed)
		default:
			return f()
		}
	}
	result := make(chan error, 1)
	select {
	case ns.work <- func() { result <- f() }:
	case <-ns.done:
		return ns.wrap(ErrClosed)
	}
	select {
	case err := <-result:
		return err
	case <-ns.done: // by runtime.Goexit in f
		return ns.wrap(ErrClosed)
	}
}

// join runs f in the namespace on a thread of its own, for calls that take long.
func (ns *Namespace) join(f func() error) error {
	return onThread(func() error {
		if err := ns.enter(); err != nil {
			return err
		}
		return f()
	})
}

func (ns *Namespace) enter() error {
	ns.mu.Lock() // close closes the descriptor
	defer ns.mu.Unlock()
	if ns.closed {
		return ns.wrap(ErrClosed)
	}
	return ns.wrap(os.NewSyscallError("setns", unix.Setns(ns.fd, unix.CLONE_NEWNET)))
}

// wrap says where an error comes from.
func (ns *Namespace) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("kernel: %s: %w", ns.name, err)
}

// close ends the thread and lets go of the namespace. The children must be dead.
func (ns *Namespace) close() {
	ns.mu.Lock()
	ns.closed = true
	ns.mu.Unlock()
	close(ns.stop)
	<-ns.done
	awaitExit(ns.tid)
	if ns.rt != nil {
		ns.rt.Close()
	}
	if ns.fd >= 0 {
		unix.Close(ns.fd)
	}
}
