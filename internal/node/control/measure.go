// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/http"

	"github.com/mnet-dev/mnet/internal/node"
)

// BenchServeRequest asks for the node to listen for measurements.
type BenchServeRequest struct {
	Port uint16 `json:"port"`
	DNAT bool   `json:"dnat"`
}

// Ping pings, and calls f with each result, until ctx ends.
func (c *Client) Ping(ctx context.Context, req node.PingRequest, f func(node.PingEvent) error) error {
	return follow(ctx, c, http.MethodPost, "ping", req, f)
}

// Bench measures, and calls f with each result, until ctx ends.
func (c *Client) Bench(ctx context.Context, req node.BenchRequest, f func(node.BenchEvent) error) error {
	return follow(ctx, c, http.MethodPost, "bench", req, f)
}

// BenchServe has the node listen for measurements until ctx ends. opened is called
// once it does.
func (c *Client) BenchServe(ctx context.Context, req BenchServeRequest, opened func([]node.Service) error) error {
	return follow(ctx, c, http.MethodPost, "bench/serve", req, opened)
}

func (s *Server) ping(w http.ResponseWriter, r *http.Request) {
	var req node.PingRequest
	if decode(w, r, &req) {
		tell(w, func(send func(node.PingEvent) error) error { return s.node.Ping(r.Context(), req, send) },
			func(err error) node.PingEvent { return node.PingEvent{Error: err.Error()} })
	}
}

func (s *Server) bench(w http.ResponseWriter, r *http.Request) {
	var req node.BenchRequest
	if decode(w, r, &req) {
		tell(w, func(send func(node.BenchEvent) error) error { return s.node.Bench(r.Context(), req, send) },
			func(err error) node.BenchEvent { return node.BenchEvent{Error: err.Error()} })
	}
}

func (s *Server) benchServe(w http.ResponseWriter, r *http.Request) {
	var req BenchServeRequest
	if decode(w, r, &req) {
		open(w, r, []uint16{req.Port}, func(port uint16) (*node.Service, error) { return s.node.ServeBench(port, req.DNAT) })
	}
}

// tell answers with the values that do sends. An error before the first is the
// answer, a later one is sent in the form of last.
func tell[T any](w http.ResponseWriter, do func(send func(T) error) error, last func(error) T) {
	lines := newLines(w)
	begun := false
	err := do(func(v T) error {
		if !begun {
			begun = true
			lines.begin()
		}
		return lines.send(v)
	})
	switch {
	case err == nil:
	case begun:
		_ = lines.send(last(err)) // fails if the client is gone, and then needs no answer
	default:
		fail(w, err)
	}
}
