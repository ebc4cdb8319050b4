// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/control"
	"github.com/mnet-dev/mnet/internal/node/view"
)

const (
	// redrawStatus is how old the contents of the screen may get.
	redrawStatus = time.Second
	// shortest keeps a node on which much happens from being asked all the time.
	shortest = 50 * time.Millisecond
	// lastEvents is how many events are kept for the screen: as many as fit below
	// a table.
	lastEvents = 12
)

// watch draws the status until ctx ends or the node goes, and returns why.
func watch(ctx context.Context, c *control.Client, t *terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	var receiving sync.WaitGroup
	defer receiving.Wait()
	defer cancel()
	happened := make(chan node.Event)
	ended := make(chan error, 1)
	receiving.Go(func() {
		ended <- c.Events(ctx, func(e node.Event) error {
			select {
			case happened <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})

	t.write(enterScreen)
	defer t.write(leaveScreen)
	var events []node.Event
	due := time.NewTimer(0)
	defer due.Stop()
	var drawn time.Time
	for {
		select {
		case e := <-happened:
			if len(events) == lastEvents {
				events = events[1:]
			}
			events = append(events, e)
			due.Reset(max(0, shortest-time.Since(drawn)))
		case <-due.C:
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			columns, lines := t.size()
			o := view.Options{Width: columns, Colour: t.colour, Now: time.Now()}
			if err := t.draw(screen(s, events, lines, o)); err != nil {
				return err
			}
			drawn = time.Now()
			due.Reset(redrawStatus)
		case err := <-ended:
			return err
		}
	}
}

// screen lays a status and events out on at most height lines. Events give way to
// the table, and the end of the table to its beginning.
func screen(s *node.Status, events []node.Event, height int, o view.Options) []string {
	lines := strings.Split(strings.TrimSuffix(view.Status(s, o), "\n"), "\n")
	if len(lines) > height {
		hidden := len(lines) - height + 1
		return append(lines[:height-1], fmt.Sprintf("... %d more lines", hidden))
	}
	room := height - len(lines) - 1 // an empty line in between
	if room < 1 || len(events) == 0 {
		return lines
	}
	lines = append(lines, "")
	for _, e := range events[max(0, len(events)-room):] {
		lines = append(lines, view.Event(e, o))
	}
	return lines
}
