// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/internal/broadcast"
	"github.com/mnet-dev/mnet/internal/measure"
	"github.com/mnet-dev/mnet/internal/measure/stats"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
)

// Node is a running mnet. Its methods are safe for concurrent use.
type Node struct {
	set     *settings
	log     *slog.Logger
	started time.Time

	host *host.Host

	conns    registry
	services services
	events   broadcast.List[Event]
	measure  measure.Server

	slots  chan struct{} // one for each of maxConns in use
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // listeners and their handlers
}

// errClosing ends the connections of a node that closes.
var errClosing = errors.New("mnet is going down")

// Start makes a node: the stack behind the host, and the services of cfg. If it fails,
// nothing is left of it. Errors about cfg are ErrConfig. Other errors name the remedy.
//
// On Linux, the node belongs to the network namespace of the calling thread. The thread
// has to stay in it until Start returns. Later the whole process has to be in it.
func Start(cfg Config, log *slog.Logger, undo Undoer) (*Node, error) {
	set, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	if cfg.Require {
		if err := netstack.Patched(); err != nil {
			return nil, err
		}
	}
	n := &Node{
		set:     set,
		log:     log,
		started: time.Now(),
		slots:   make(chan struct{}, maxConns),
	}
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	if err := n.start(undo); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// start opens what the settings say. It listens on the host's addresses first: an address
// that is taken or unknown is found before anything of the host is changed.
func (n *Node) start(undo Undoer) error {
	listeners, err := n.listenConfigured()
	if err != nil {
		return err
	}
	if err := n.startStack(undo); err != nil {
		closeListeners(listeners)
		return err
	}
	for _, l := range listeners {
		n.accept(l)
	}
	return nil
}

// startStack opens the stack behind the host, and the ports that it serves.
func (n *Node) startStack(undo Undoer) (err error) {
	if n.host, err = host.Open(n.ctx, n.hostConfig(undo)); err != nil {
		return err
	}
	for _, r := range n.set.Serve {
		if _, err := n.Serve(r, n.set.DNAT); err != nil {
			return err
		}
	}
	return nil
}

// hostConfig adds the receivers of events to the settings.
func (n *Node) hostConfig(undo Undoer) host.Config {
	cfg := n.set.host
	cfg.Logger = n.log
	cfg.Changed = func(s hostnet.Setting) {
		if err := undo.Restore(s); err != nil {
			n.log.Warn("a setting of the host would stay changed if mnet was killed", "setting", s, "err", err)
		}
	}
	cfg.Moved = n.observe
	cfg.Renumbered = func(host, stack []netip.Prefix) {
		n.publish(Event{Kind: EventRenumbered, Host: host, Addresses: stack})
	}
	cfg.UplinksChanged = func(ch roam.Change) {
		n.publish(Event{Kind: EventUplinks, Uplinks: uplinkStatus(ch.Uplinks), Woke: ch.Woke})
	}
	return cfg
}

// Done is closed when the node cannot go on because its device is gone. Err says why.
func (n *Node) Done() <-chan struct{} { return n.host.Link.Done() }

// Err returns why Done is closed.
func (n *Node) Err() error {
	if err := n.host.Link.Err(); err != nil {
		return fmt.Errorf("%s: the device has been removed: %w", n.host.Link.Name(), err)
	}
	return nil
}

// Close resets all connections, ends all services, removes the device and waits
// until the host is as it was.
func (n *Node) Close() error {
	n.cancel(errClosing)
	n.wg.Wait()
	if n.host == nil {
		return nil
	}
	return n.host.Close()
}

// Migrate moves a connection to local, or all connections if id is "all". The zero
// AddrPort means a new port of the same address. It returns when they have moved. With
// "all", a connection that ends meanwhile is no error.
func (n *Node) Migrate(ctx context.Context, id string, local netip.AddrPort) error {
	if id != "all" {
		c, err := n.conns.find(id)
		if err != nil {
			return err
		}
		return n.migrate(ctx, c, local)
	}
	var (
		mu   sync.Mutex
		errs []error
		wg   sync.WaitGroup
		gate = make(chan struct{}, endpoint.MaxRoamAttempts)
	)
	for _, c := range n.conns.all() {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			if err := n.migrate(ctx, c, local); err != nil && !errors.Is(err, net.ErrClosed) {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (n *Node) migrate(ctx context.Context, c *Conn, local netip.AddrPort) error {
	from := c.Migration().Current.Local
	to := local
	if !to.Addr().IsValid() {
		to = netip.AddrPortFrom(from.Addr(), local.Port())
	}
	begin := time.Now()
	err := c.Migrate(ctx, to)
	n.moved(c, MoveStatus{
		Cause:  "asked for",
		From:   from,
		To:     c.Migration().Current.Local,
		TookMS: stats.Milliseconds(time.Since(begin)),
	}, err)
	if err != nil {
		return fmt.Errorf("connection %s: %w", c.ID, err)
	}
	return nil
}

// AddAddress gives the stack another address. The host must route it to the device, by the
// prefix of one of its own addresses there, or by a route of the Config.
func (n *Node) AddAddress(p netip.Prefix) error {
	own, _ := n.host.Addresses()
	routed := slices.ContainsFunc(slices.Concat(own, n.set.host.Routes), func(r netip.Prefix) bool {
		return r.Contains(p.Addr())
	})
	if !routed {
		return fmt.Errorf("%w: address %v: the host does not route it to %s: start mnet with routes that hold it", ErrConfig, p.Addr(), n.host.Link.Name())
	}
	if slices.ContainsFunc(own, func(h netip.Prefix) bool { return h.Addr() == p.Addr() }) {
		return fmt.Errorf("%w: address %v is the host's: choose another", ErrConfig, p.Addr())
	}
	return n.host.NIC.AddAddress(p)
}

// RemoveAddress takes an address from the stack. Connections from it move to
// another one, if the policy is not manual, or wait.
func (n *Node) RemoveAddress(a netip.Addr) error { return n.host.NIC.RemoveAddress(a) }
