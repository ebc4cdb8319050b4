// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"context"

	"github.com/mnet-dev/mnet/endpoint/host"
	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack/tun"
)

// device is the name of the TUN device in each namespace.
const device = "mnet0"

// openHost opens a stack behind the host that is a namespace.
func openHost(ctx context.Context, ns *kernel.Namespace, cfg host.Config) (h *host.Host, err error) {
	cfg.Device = tun.Config{Name: device}
	err = ns.Do(func() error {
		h, err = host.Open(ctx, cfg)
		return err
	})
	return h, err
}
