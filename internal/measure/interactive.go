// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/pattern"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// An interactive measurement sends about as much as a fast typist's terminal.
const (
	messageSize  = 64 // bytes
	messageEvery = 20 * time.Millisecond
)

// pongs knows when messages were sent and how long their answers took.
type pongs struct {
	mu    sync.Mutex
	sent  []time.Time
	taken []time.Duration
}

// newPongs has room for all messages of a measurement, so that its memory is bounded
// by MaxDuration.
func newPongs(d time.Duration) *pongs {
	n := int(d/messageEvery) + 1
	return &pongs{sent: make([]time.Time, 0, n), taken: make([]time.Duration, 0, n)}
}

func (p *pongs) ping(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, now)
}

// pong returns false if nothing was sent that could be answered.
func (p *pongs) pong(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) == len(p.sent) {
		return false
	}
	p.taken = append(p.taken, now.Sub(p.sent[len(p.taken)]))
	return true
}

// counts returns how many were sent, and answered.
func (p *pongs) counts() (sent, answered int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent), len(p.taken)
}

// interact sends messages and takes them back.
func (m *Measurement) interact(end time.Time) error {
	sent := make(chan error, 1)
	go func() { sent <- m.sendMessages(end) }()
	err := m.takeMessages()
	if err != nil {
		relay.Abort(m.conn) // ends the sender
	}
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if sent, answered := m.pong.counts(); sent != answered {
		return fmt.Errorf("%d messages have come back of %d", answered, sent)
	}
	return nil
}

func (m *Measurement) sendMessages(end time.Time) error {
	tick := time.NewTicker(messageEvery)
	defer tick.Stop()
	buf, from := make([]byte, messageSize), content()
	for now := time.Now(); now.Before(end); now = <-tick.C {
		if _, err := io.ReadFull(from, buf); err != nil {
			return err
		}
		m.pong.ping(time.Now())
		if _, err := m.conn.Write(buf); err != nil {
			return err
		}
	}
	return m.conn.CloseWrite()
}

func (m *Measurement) takeMessages() error {
	buf, check := make([]byte, messageSize), pattern.NewChecker(content())
	for {
		_, err := io.ReadFull(m.r, buf)
		now := time.Now()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		m.rec.Add(now, messageSize)
		if !m.pong.pong(now) {
			return errors.New("a message that was not sent comes back")
		}
		if err := check.Check(buf); err != nil {
			return err
		}
	}
}

// RoundTrips returns the round-trip time of each message that came back, from number
// skip on.
func (m *Measurement) RoundTrips(skip int) []time.Duration {
	if m.pong == nil {
		return nil
	}
	m.pong.mu.Lock()
	defer m.pong.mu.Unlock()
	return slices.Clone(m.pong.taken[min(skip, len(m.pong.taken)):])
}
