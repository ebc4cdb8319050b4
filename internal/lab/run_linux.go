// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mnet-dev/mnet/internal/node"
)

// giveUp is the time that connections have to come back after an event, beyond the time
// that they have to wait. It stops a script that cannot go on.
const giveUp = 40 * time.Second

// livePause is between calls of Live: often enough to look at.
const livePause = 100 * time.Millisecond

// run is the script at work.
type run struct {
	*Lab
	hooks   Hooks
	changed chan struct{} // cap 1: something has arrived, moved or failed

	bulk, echo *flow
	kernel     *kernelFlow
	scene      Scene
	begin      time.Time // of the scene
	down       [2]bool   // uplinks that are not there
}

// Run plays the scenes. An error means that they could not be played; that a
// connection of mnet was lost is in the report, as are wrong bytes. Run may be
// called once.
func (l *Lab) Run(ctx context.Context, hooks Hooks) (*Report, error) {
	r := &run{Lab: l, hooks: hooks, changed: make(chan struct{}, 1)}
	report := &Report{}
	if err := r.open(ctx); err != nil {
		r.close()
		return nil, err
	}
	defer r.close()
	stop, err := r.follow(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	for _, s := range l.cfg.scenes() {
		if hooks.Before != nil {
			if err := hooks.Before(ctx, s); err != nil {
				return nil, err
			}
		}
		result, err := r.play(ctx, s)
		if errors.Is(err, ErrLost) {
			report.Lost = strings.TrimPrefix(err.Error(), ErrLost.Error()+": ")
			return report, nil
		}
		if err != nil {
			return nil, err
		}
		report.Scenes = append(report.Scenes, result)
		if hooks.After != nil {
			hooks.After(result)
		}
	}
	return report, r.finish(ctx, report)
}

func (r *run) tell() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// open begins with the connections of mnet.
func (r *run) open(ctx context.Context) (err error) {
	if r.bulk, err = dialFlow(ctx, &r.client.control, bulkPort, bulkSeed, r.tell); err != nil {
		return err
	}
	go r.bulk.download()
	if r.echo, err = dialFlow(ctx, &r.client.control, echoPort, echoSeed, r.tell); err != nil {
		return err
	}
	go r.echo.pingPong()
	return nil
}

func (r *run) close() {
	for _, f := range []*flow{r.bulk, r.echo} {
		if f != nil {
			f.close()
		}
	}
	if r.kernel != nil {
		r.kernel.close()
	}
}

func (r *run) flows() []*flow { return []*flow{r.bulk, r.echo} }

// follow hands on the events of the client's node, until stop is called. It returns
// when no later event can be missed.
func (r *run) follow(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- r.client.control.Subscribe(ctx, func() { close(ready) }, func(e node.Event) error {
			r.happened(e)
			return nil
		})
	}()
	select {
	case <-ready:
		return func() { cancel(); <-done }, nil
	case err := <-done:
		cancel()
		return nil, err
	}
}

func (r *run) happened(e node.Event) {
	for _, f := range r.flows() {
		if e.Move != nil && e.Peer == f.peer {
			f.moved(*e.Move)
		}
	}
	if r.hooks.Event != nil {
		r.hooks.Event(e)
	}
}

// play plays a scene.
func (r *run) play(ctx context.Context, s Scene) (Result, error) {
	if err := r.reviveKernel(ctx); err != nil {
		return Result{}, err
	}
	begin := time.Now()
	r.scene, r.begin = s, begin
	for _, m := range r.meters() {
		m.mark(begin)
	}
	moves, err := r.act(ctx)
	if err != nil {
		return Result{}, err
	}
	acted := time.Now()
	well := func() bool {
		return !slices.ContainsFunc(r.flows(), func(f *flow) bool { return !recovered(f, begin, acted, moves) })
	}
	if ok, err := r.wait(ctx, giveUp, well); err != nil {
		return Result{}, err
	} else if !ok {
		return Result{}, fmt.Errorf("%w: scene %s: not all is well again after %v", ErrLost, s.Name, giveUp)
	}
	if err := r.pass(ctx, r.cfg.Linger); err != nil {
		return Result{}, err
	}
	now := time.Now()
	result := Result{
		Scene: s.Name, Title: s.Title,
		Bulk:        r.bulk.result(begin, now),
		Interactive: r.echo.result(begin, now),
		Kernel:      r.kernel.result(now),
	}
	if err := r.locate(ctx, &result); err != nil {
		return Result{}, err
	}
	return result, nil
}

// recovered reports whether data arrives again: after the last move, if there has
// to be one, and after all that was done.
func recovered(f *flow, begin, acted time.Time, moves bool) bool {
	last := f.meter.read(acted).last
	moved := f.since(begin)
	if len(moved) > 0 {
		return last.After(acted) && last.After(moved[len(moved)-1].At)
	}
	return !moves && last.After(acted)
}

// wait waits until cond holds, but for d at most, and reports whether it does. That
// a connection of mnet is lost is an error.
func (r *run) wait(ctx context.Context, d time.Duration, cond func() bool) (bool, error) {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	live := time.NewTicker(livePause)
	defer live.Stop()
	for !cond() {
		for _, f := range r.flows() {
			if err := f.failed(); err != nil {
				return false, fmt.Errorf("%w: scene %s: %w", ErrLost, r.scene.Name, err)
			}
		}
		select {
		case <-r.changed:
		case <-live.C:
			r.live()
		case <-r.client.proc.Done():
			return false, r.client.exited()
		case <-r.server.proc.Done():
			return false, r.server.exited()
		case <-timeout.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

// pass lets time pass.
func (r *run) pass(ctx context.Context, d time.Duration) error {
	_, err := r.wait(ctx, d, func() bool { return false })
	return err
}

func (r *run) live() {
	if r.hooks.Live == nil {
		return
	}
	now := time.Now()
	pulse := func(m *meter) Pulse {
		v := m.read(now)
		return Pulse{v.bytes, now.Sub(v.last)}
	}
	r.hooks.Live(Live{now.Sub(r.begin), pulse(&r.bulk.meter), pulse(&r.echo.meter), pulse(&r.kernel.meter)})
}

func (r *run) meters() []*meter {
	return []*meter{&r.bulk.meter, &r.echo.meter, &r.kernel.meter}
}

// locate finds out by which uplink the download goes, as the server sees it.
func (r *run) locate(ctx context.Context, result *Result) error {
	status, err := r.server.control.Status(ctx)
	if err != nil {
		return err
	}
	for _, c := range status.Connections {
		if strings.HasPrefix(c.Peer, fmt.Sprintf("%d=", bulkPort)) {
			result.Public = c.Remote
		}
	}
	for _, u := range r.topo.Uplinks {
		if u.Public4() == result.Public.Addr() {
			result.Uplink = u.Dev()
		}
	}
	return nil
}

// finish ends the connections and compares the bytes sent with the bytes received.
func (r *run) finish(ctx context.Context, report *Report) error {
	status, err := r.server.control.Status(ctx)
	if err != nil {
		return err
	}
	for _, c := range status.Connections {
		report.ServerMoves += c.Initiated
	}
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	for _, f := range r.flows() {
		if err := f.finish(ctx); err != nil {
			report.Lost = err.Error()
			return nil
		}
	}
	<-r.sources.bulkEnd // which came before the end that the client has seen
	report.Bulk = r.bulk.transfer(r.sources.bulk)
	report.Interactive = r.echo.transfer(r.echo.sent)
	return nil
}
