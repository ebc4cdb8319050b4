// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package simnet

import "time"

// task is the action of an event. fire runs on the driving goroutine, when the time has
// come, without any lock of the clock.
type task interface {
	fire(now time.Duration)
}

// event is a node of the clock's queue. It is embedded in the task that it fires, so
// that scheduling allocates nothing.
type event struct {
	at   int64  // virtual nanoseconds
	seq  uint64 // breaks ties: first scheduled, first fired
	pos  int    // 1 + index in the queue, 0 if not queued
	task task
}

// eventQueue is a binary min-heap over (at, seq). Unlike container/heap it
// costs no interface call per comparison, which shows with one event and more
// per packet.
type eventQueue []*event

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

func (q *eventQueue) push(e *event) {
	*q = append(*q, e)
	e.pos = len(*q)
	q.up(len(*q) - 1)
}

// remove takes e off the queue and reports whether it was on it.
func (q *eventQueue) remove(e *event) bool {
	i := e.pos - 1
	if i < 0 {
		return false
	}
	last := len(*q) - 1
	q.swap(i, last)
	(*q)[last] = nil
	*q = (*q)[:last]
	e.pos = 0
	if i < last {
		q.down(i)
		q.up(i)
	}
	return true
}

func (q *eventQueue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !(*q)[i].before((*q)[parent]) {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *eventQueue) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(*q); child++ {
			if (*q)[child].before((*q)[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		q.swap(i, least)
		i = least
	}
}

func (q *eventQueue) swap(i, j int) {
	s := *q
	s[i], s[j] = s[j], s[i]
	s[i].pos, s[j].pos = i+1, j+1
}
