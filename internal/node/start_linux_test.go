// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
	"github.com/mnet-dev/mnet/netstack"
)

// TestStartFails has nodes that cannot start. Each of them fails before it changes the
// host: nothing of it is left there, nor a listener.
func TestStartFails(t *testing.T) {
	network, err := kernel.New()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(network.Close)
	host, err := network.Namespace("host")
	must(t, err)
	taken, err := host.Listen(newContext(t), "tcp", "127.0.0.1:1081")
	must(t, err)
	t.Cleanup(func() { taken.Close() })
	for name, c := range map[string]struct {
		cfg  Config
		want error
	}{
		"configuration":        {Config{Device: "all", SOCKS: []string{"1080"}}, ErrConfig},
		"address in use":       {Config{SOCKS: []string{"1080", "1081"}}, netstack.ErrInUse},
		"device of the kernel": {Config{Device: "lo", SOCKS: []string{"1080"}}, netstack.ErrInUse},
		"unpatched":            {Config{Require: true, SOCKS: []string{"1080"}}, netstack.ErrUnpatched},
	} {
		if c.want == netstack.ErrUnpatched && netstack.Patched() == nil {
			continue
		}
		err := host.Do(func() error {
			n, err := Start(c.cfg, slog.New(slog.DiscardHandler), noUndo{})
			if err == nil {
				return n.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if _, found := net.InterfaceByName(DefaultDevice); found == nil {
				t.Errorf("%s: %s is there", name, DefaultDevice)
			}
			l, lerr := net.Listen("tcp", "127.0.0.1:1080")
			if lerr != nil {
				t.Errorf("%s: %v", name, lerr)
				return err
			}
			l.Close()
			return err
		})
		if err == nil {
			t.Errorf("%s: it has started", name)
		}
	}
}
