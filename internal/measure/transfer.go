// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"context"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
	"github.com/mnet-dev/mnet/internal/measure/pattern"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// chunk is the size of a read or write, in bytes.
const chunk = 128 << 10

// content is the stream of one direction: it has no end.
func content() *pattern.Reader { return pattern.New(Version, math.MaxInt64) }

// send writes content until end. It adds to sent before it writes.
func send(w io.Writer, end time.Time, sent *atomic.Int64) error {
	buf, from := make([]byte, chunk), content()
	for time.Now().Before(end) {
		if _, err := io.ReadFull(from, buf); err != nil {
			return err
		}
		sent.Add(chunk)
		if _, err := w.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// receive reads content to the end of the stream.
func receive(r io.Reader, rec *arrivals.Recorder) error {
	buf, check := make([]byte, chunk), pattern.NewChecker(content())
	for {
		n, err := r.Read(buf)
		rec.Add(time.Now(), n)
		if cerr := check.Check(buf[:n]); cerr != nil {
			return cerr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// acknowledged returns the offset up to which the stream is acknowledged. first is
// the sequence number of its first byte, una the oldest that is not acknowledged. At
// most sent bytes were written, and less than 4 GiB of them wait: sequence numbers
// wrap, so a distance is all they tell.
func acknowledged(sent int64, first, una uint32) int64 {
	limit := sent + 1 // the FIN has a sequence number, too
	return min(limit-int64(uint32(limit)-(una-first)), sent)
}

// abortWith resets conn when ctx ends, until stop is called. When stop has returned,
// that has been done or will not be.
func abortWith(ctx context.Context, conn relay.Conn) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		relay.Abort(conn)
	})
	return func() {
		if !cancel() {
			<-done
		}
	}
}
