// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const (
	messageSize = 4 << 10
	messageRate = 5 * time.Millisecond // between two messages
)

// chat is one end of a WebSocket. It sends numbered random messages, and expects the
// messages of the other end in order.
type chat struct {
	seed           byte
	stop           chan struct{} // closed to send no more
	sent, received atomic.Int64
	sessions       atomic.Int64
	sentSum, sum   hash.Hash
}

func newChat(seed byte) *chat {
	return &chat{seed: seed, stop: make(chan struct{}), sentSum: sha256.New(), sum: sha256.New()}
}

// start talks until both ends have said all, and tells the error.
func (c *chat) start(ctx context.Context, ws *websocket.Conn) <-chan error {
	ws.SetReadLimit(2 * messageSize)
	ended := make(chan error, 1)
	var talk sync.WaitGroup
	errs := make([]error, 2)
	talk.Go(func() { errs[0] = c.send(ctx, ws) })
	talk.Go(func() { errs[1] = c.receive(ctx, ws) })
	go func() {
		talk.Wait()
		ended <- errors.Join(errs...)
	}()
	return ended
}

// send sends messages, and a text as the last.
func (c *chat) send(ctx context.Context, ws *websocket.Conn) error {
	random := rand.NewChaCha8([32]byte{c.seed})
	msg := make([]byte, messageSize)
	tick := time.NewTicker(messageRate)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return ws.Write(ctx, websocket.MessageText, []byte("that is all"))
		case <-tick.C:
		}
		random.Read(msg)
		binary.BigEndian.PutUint64(msg, uint64(c.sent.Load()))
		c.sentSum.Write(msg)
		if err := ws.Write(ctx, websocket.MessageBinary, msg); err != nil {
			return fmt.Errorf("message %d: %w", c.sent.Load(), err)
		}
		c.sent.Add(1)
	}
}

func (c *chat) receive(ctx context.Context, ws *websocket.Conn) error {
	for {
		kind, msg, err := ws.Read(ctx)
		if err != nil {
			return fmt.Errorf("after %d messages: %w", c.received.Load(), err)
		}
		if kind == websocket.MessageText {
			return nil
		}
		if n := binary.BigEndian.Uint64(msg); n != uint64(c.received.Load()) {
			return fmt.Errorf("message %d comes when %d is due", n, c.received.Load())
		}
		c.sum.Write(msg)
		c.received.Add(1)
	}
}

// compare fails the test unless each end has received all messages of the other. Both
// must have ended.
func (c *chat) compare(t *testing.T, other *chat) {
	t.Helper()
	for _, ends := range [2][2]*chat{{c, other}, {other, c}} {
		from, to := ends[0], ends[1]
		if to.received.Load() != from.sent.Load() || !bytes.Equal(to.sum.Sum(nil), from.sentSum.Sum(nil)) {
			t.Errorf("%d messages were sent and %d received, or they differ", from.sent.Load(), to.received.Load())
		}
	}
}
