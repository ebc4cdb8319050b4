// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"sort"
	"sync"
	"time"
)

// arrivals notes when how much of a stream came to the receiving application. One
// goroutine at a time may wait.
type arrivals struct {
	news chan struct{} // cap 1: something came

	mu   sync.Mutex
	list []arrival
}

// arrival is the moment in which the first total bytes of the stream had come.
type arrival struct {
	at    time.Time
	total int64
}

func newArrivals() *arrivals { return &arrivals{news: make(chan struct{}, 1)} }

// add notes n bytes more.
func (a *arrivals) add(at time.Time, n int) {
	a.mu.Lock()
	a.list = append(a.list, arrival{at, a.totalLocked() + int64(n)})
	a.mu.Unlock()
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *arrivals) total() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.totalLocked()
}

func (a *arrivals) totalLocked() int64 {
	if len(a.list) == 0 {
		return 0
	}
	return a.list[len(a.list)-1].total
}

// after returns the arrivals after t, and the number of bytes that had come until then.
func (a *arrivals) after(t time.Time) (list []arrival, before int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := sort.Search(len(a.list), func(i int) bool { return a.list[i].at.After(t) })
	if i > 0 {
		before = a.list[i-1].total
	}
	return a.list[i:], before
}

// await waits until n bytes have come after t. It returns false if done is closed
// before.
func (a *arrivals) await(done <-chan struct{}, t time.Time, n int64) bool {
	_, before := a.after(t)
	for a.total()-before < n {
		select {
		case <-a.news:
		case <-done:
			return false
		}
	}
	return true
}

// since measures from t until n bytes more had come. It returns the longest time
// without an arrival, and the whole time. Both are zero if the bytes have not come.
func (a *arrivals) since(t time.Time, n int64) (gap, took time.Duration) {
	list, before := a.after(t)
	last := t
	for _, x := range list {
		gap = max(gap, x.at.Sub(last))
		last = x.at
		if x.total-before >= n {
			return gap, x.at.Sub(t)
		}
	}
	return gap, 0
}

// longestAnswer returns the longest wait for one of the first answers after t, which
// are n bytes. The wait for a ping from before t counts from t on.
func longestAnswer(pings, answers *arrivals, t time.Time, n int64) (longest time.Duration) {
	list, before := answers.after(t)
	sent, _ := pings.after(time.Time{})
	for _, p := range sent {
		if p.total <= before || p.total > before+n {
			continue
		}
		i := sort.Search(len(list), func(i int) bool { return list[i].total >= p.total })
		if i == len(list) {
			break
		}
		from := t
		if p.at.After(t) {
			from = p.at
		}
		longest = max(longest, list[i].at.Sub(from))
	}
	return longest
}
