// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/internal/node"
)

// patience is the time after which a test that hangs fails.
const patience = 60 * time.Second

// endless is a body that goes on forever.
type endless struct{ begin io.Reader }

func (e *endless) Read(b []byte) (int, error) {
	if n, err := e.begin.Read(b); err == nil {
		return n, nil
	}
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// TestEndlessRequest: the server does not read the bytes behind a request forever.
func TestEndlessRequest(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "mnet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, new(node.Node), slog.New(slog.DiscardHandler))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for body, want := range map[string]int{"{}": http.StatusOK, "": http.StatusBadRequest} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpointURL("address"), &endless{strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
		}}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %s, want %d", body, resp.Status, want)
		}
	}
}
