// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
	"github.com/mnet-dev/mnet/internal/measure/pattern"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testPatience is when a test that hangs gives up.
const testPatience = 10 * time.Second

// serveLocally starts the server on the loopback, and returns its address.
func serveLocally(t *testing.T) (*service, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newService()
	s.serve(ln)
	t.Cleanup(s.close)
	return s, ln.Addr().String()
}

func dialLocally(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestApplicationResumes breaks the connection of each kind of application.
func TestApplicationResumes(t *testing.T) {
	for _, d := range []Direction{Download, Upload, Interactive} {
		t.Run(string(d), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), testPatience)
			defer cancel()
			s, addr := serveLocally(t)
			received, size := new(arrivals.Recorder), int64(1<<20)
			if d == Upload {
				received = &s.upload(7).received
			}
			if d == Interactive {
				size = 3 * pingLen
			}
			conn := dialLocally(t, addr)
			u := use(newApplication(d, 7, received), conn)
			for range 3 {
				if !received.Await(ctx.Done(), time.Now(), size) {
					t.Fatalf("%d bytes have come", received.Total())
				}
				relay.Abort(conn)
				conn = dialLocally(t, addr)
				u.change(conn)
			}
			if err := errors.Join(u.stop(), s.drop()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWrongByte has one byte of a stream changed.
func TestWrongByte(t *testing.T) {
	b := bytesAt(0, 1000)
	if err := receive(bytes.NewReader(b), new(arrivals.Recorder)); err != io.EOF {
		t.Errorf("all right: %v", err)
	}
	b[999] ^= 1
	if err := receive(bytes.NewReader(b), new(arrivals.Recorder)); !errors.Is(err, pattern.ErrWrong) {
		t.Errorf("a wrong byte: %v", err)
	}
	// One byte missing, far from the start.
	at := int64(1<<40) - 10
	b = append(bytesAt(at, 10), bytesAt(at+11, 100)...)
	if err := check(at, b); !errors.Is(err, pattern.ErrWrong) {
		t.Errorf("a missing byte: %v", err)
	}
}

// TestServerTellsWrongByte uploads bytes that differ from the pattern.
func TestServerTellsWrongByte(t *testing.T) {
	s, addr := serveLocally(t)
	c := dialLocally(t, addr)
	defer relay.Abort(c)
	if err := (header{opUpload, 1, 0}).write(c); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte{^bytesAt(0, 1)[0]}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(testPatience)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil { // it closes
		t.Error("the server sends something")
	}
	s.close() // when it has ended, it has told
	if err := s.drop(); !errors.Is(err, pattern.ErrWrong) {
		t.Errorf("%v, want %v", err, pattern.ErrWrong)
	}
}

func TestHeader(t *testing.T) {
	var b bytes.Buffer
	want := header{opUpload, 1 << 60, 1 << 50}
	if err := want.write(&b); err != nil || b.Len() != headerLen {
		t.Fatal(err, b.Len())
	}
	if got, err := readHeader(&b); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if err := (header{opDownload, 1, -1}).write(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := readHeader(&b); err == nil {
		t.Error("a negative offset is taken")
	}
}
