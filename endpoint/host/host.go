// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/endpoint/roam"
	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/hostnet"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// Host is a stack behind this host. Its fields are set by Open and must not be changed.
// Its methods may be called concurrently.
type Host struct {
	Stack  *netstack.Stack
	Link   *tun.Link // the device; Link.Done is closed when somebody else removes it
	NIC    *netstack.NIC
	Share  *hostnet.Share // nil if the Config has no Masquerade, Ports or Redirect
	Roamer *endpoint.Roamer

	prefixes *hostnet.Prefixes // that the host uses; nil if the Config has the addresses

	mu      sync.Mutex // of the addresses in cfg, a leaf
	cfg     Config
	tracker *hostnet.Tracker
	uplinks *uplinks
	close   func() error
}

// Open makes the device and the stack on it, and has the host work for the stack. It
// checks all of cfg before it touches the host. If it fails, or ctx ends first, nothing is
// left. ctx has no effect once Open has returned.
//
// The error wraps [netstack.ErrConfig], [netstack.ErrPermission], [netstack.ErrInUse],
// [tun.ErrNoDriver] or [errors.ErrUnsupported], or it is ctx's cause, or an error of the
// system.
//
// On Linux, the Host belongs to the network namespace of the calling thread.
func Open(ctx context.Context, cfg Config) (*Host, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return open(ctx, cfg, steps)
}

// steps make the parts of a Host, in this order. The first four do not touch the host. The
// stack checks its own configuration, chooseAddresses looks for prefixes in use, and
// checkHost for names and addresses in use.
var steps = []func(*Host) error{
	(*Host).openTracker,
	(*Host).newStack,
	(*Host).chooseAddresses,
	(*Host).checkHost,
	(*Host).openDevice,
	(*Host).configureDevice,
	(*Host).attach,
	(*Host).openShare,
	(*Host).roam,
	(*Host).watchPrefixes,
}

// open takes the steps, and takes them back if one fails.
func open(ctx context.Context, cfg Config, steps []func(*Host) error) (*Host, error) {
	h := &Host{cfg: cfg}
	h.close = sync.OnceValue(h.closeAll)
	for _, step := range steps {
		err := context.Cause(ctx)
		if err == nil {
			err = step(h)
		}
		if err != nil {
			return nil, fmt.Errorf("host: %w", errors.Join(err, h.Close()))
		}
	}
	return h, nil
}

// openTracker has the host's connection tracking forget the tuples that connections have
// moved away from.
func (h *Host) openTracker() error {
	h.tracker = hostnet.OpenTracker(h.cfg.Logger)
	tell := h.cfg.Stack.Migration.Released
	h.cfg.Stack.Migration.Released = func(t migrate.Tuple) {
		h.tracker.Forget(t.Local, t.Remote)
		if tell != nil {
			tell(t)
		}
	}
	return nil
}

func (h *Host) newStack() (err error) {
	h.Stack, err = netstack.New(h.cfg.Stack)
	return err
}

func (h *Host) checkHost() error { return h.cfg.Device.CheckHost(h.cfg.Host) }

func (h *Host) openDevice() (err error) {
	h.Link, err = tun.Open(h.cfg.Device)
	return err
}

func (h *Host) configureDevice() error { return h.Link.Configure(h.cfg.Host, h.cfg.Routes) }

func (h *Host) attach() (err error) {
	h.NIC, err = h.Stack.Attach(h.Link, netstack.AttachOptions{
		Name:      h.Link.Name(),
		Addresses: h.cfg.Addresses,
		Routes:    h.cfg.defaultRoutes(),
	})
	return err
}

func (h *Host) openShare() (err error) {
	if h.cfg.shares() {
		h.Share, err = hostnet.NewShare(h.cfg.shareConfig(h.Link.Name()))
	}
	return err
}

func (h *Host) roam() (err error) {
	h.uplinks = &uplinks{Monitor: endpoint.StackMonitor(h.Stack), changed: h.cfg.UplinksChanged}
	if h.cfg.Masquerade {
		h.uplinks.Monitor = Monitor(h.Stack, h.Share)
	}
	h.Roamer, err = endpoint.NewRoamer(endpoint.RoamerConfig{
		Stack:   h.Stack,
		Monitor: h.uplinks,
		Policy:  h.cfg.Policy,
		Observe: h.cfg.Moved,
		Logger:  h.cfg.Logger,
	})
	return err
}

// Dialer returns a Dialer for the stack. It resolves names as the host does, and the
// Roamer moves its connections. The caller may change it.
func (h *Host) Dialer() *endpoint.Dialer {
	return &endpoint.Dialer{Stack: h.Stack, Roamer: h.Roamer, Resolver: net.DefaultResolver}
}

// ListenConfig returns a ListenConfig for the stack. The Roamer moves the connections
// that are accepted. The caller may change it.
func (h *Host) ListenConfig() *endpoint.ListenConfig {
	return &endpoint.ListenConfig{Stack: h.Stack, Roamer: h.Roamer}
}

// Uplinks returns the present uplinks, the best first. The slice must not be changed.
func (h *Host) Uplinks() []roam.Uplink { return h.uplinks.now().Uplinks }

// UplinksTo returns the uplinks by which packets of the stack get to a peer now.
func (h *Host) UplinksTo(peer netip.Addr) []roam.Uplink { return h.uplinks.now().Reach(peer) }

// Close resets all connections, removes the device with its addresses and routes, and
// undoes what Open has changed on the host. It waits until that is done. It must not be
// called by Moved or UplinksChanged. A second call returns what the first one returned.
func (h *Host) Close() error { return h.close() }

// closeAll closes the parts that have been opened. Nothing is renumbered any more. The
// Roamer goes next: it would move connections when the uplinks go.
func (h *Host) closeAll() error {
	var errs []error
	if h.prefixes != nil {
		h.prefixes.Close()
	}
	if h.Roamer != nil {
		errs = append(errs, h.Roamer.Close())
	}
	if h.Share != nil {
		errs = append(errs, h.Share.Close())
	}
	if h.Stack != nil {
		errs = append(errs, h.Stack.Close())
	}
	if h.Link != nil {
		h.Link.Close() // it may not be attached
		h.Link.Wait()
	}
	if h.tracker != nil { // after the stack, which releases what is left
		errs = append(errs, h.tracker.Close())
	}
	return errors.Join(errs...)
}
