// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/mnet-dev/mnet/internal/lab/kernel"
)

// Uplinks of the topology.
const (
	wifi = iota
	lte
)

// act plays the event of a scene, and reports whether connections have to move.
func (r *run) act(ctx context.Context) (moves bool, err error) {
	switch r.scene.Name {
	case sceneStart:
		return false, nil
	case sceneRoam:
		return true, r.leave(wifi)
	case sceneReturn:
		return true, r.comeBack(wifi)
	case sceneNAT:
		return true, r.forget()
	case sceneLid:
		return true, r.closeLid(ctx)
	default:
		return false, fmt.Errorf("no scene %q", r.scene.Name)
	}
}

func (r *run) leave(i int) error {
	r.down[i] = true
	return r.topo.Uplinks[i].Down(kernel.AddressGone)
}

func (r *run) comeBack(i int) error {
	r.down[i] = false
	return r.topo.Uplinks[i].Up()
}

func (r *run) forget() error {
	for _, nat := range r.topo.NATs {
		if err := nat.FlushConntrack(); err != nil {
			return err
		}
	}
	return nil
}

// closeLid takes both uplinks away for a while.
func (r *run) closeLid(ctx context.Context) error {
	for _, i := range []int{wifi, lte} {
		if !r.down[i] {
			if err := r.leave(i); err != nil {
				return err
			}
		}
	}
	if err := r.pass(ctx, r.cfg.Away); err != nil {
		return err
	}
	for _, m := range r.meters() {
		m.expect(time.Now())
	}
	for _, i := range []int{wifi, lte} {
		if err := r.comeBack(i); err != nil {
			return err
		}
	}
	return nil
}
