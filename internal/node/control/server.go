// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/mnet-dev/mnet/internal/node"
)

const (
	// maxRequest bounds the body of a request, in bytes: a mistake must not fill
	// the memory.
	maxRequest = 1 << 20

	// headerTimeout ends connections that send no request.
	headerTimeout = 10 * time.Second

	// closeTimeout stops such connections from delaying the end.
	closeTimeout = time.Second
)

// Server answers requests to a node.
type Server struct {
	node    *node.Node
	http    http.Server
	stop    context.CancelFunc // ends the requests that are under way
	serving sync.WaitGroup
}

// Serve answers on l until Close.
func Serve(l net.Listener, n *node.Node, log *slog.Logger) *Server {
	s := &Server{node: n}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/end", s.end)
	mux.HandleFunc("POST /v1/dial", s.dial)
	mux.HandleFunc("POST /v1/serve", s.serve)
	mux.HandleFunc("POST /v1/forward", s.forward)
	mux.HandleFunc("POST /v1/socks", s.socks)
	mux.HandleFunc("POST /v1/ping", s.ping)
	mux.HandleFunc("POST /v1/bench", s.bench)
	mux.HandleFunc("POST /v1/bench/serve", s.benchServe)
	mux.HandleFunc("POST /v1/migrate", s.migrate)
	mux.HandleFunc("POST /v1/address", s.address)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http.Handler = mux
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	s.http.ReadHeaderTimeout = headerTimeout
	s.http.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("control socket", "err", err)
		}
	})
	return s
}

// Close removes the socket, ends the requests of clients and waits until none is under
// way. Connections that clients have dialled go on: they are the node's.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // of clients that have sent no request
	}
	s.serving.Wait()
	return err
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) { answer(w, s.node.Status()) }

func (s *Server) end(w http.ResponseWriter, r *http.Request) {
	if err := s.node.End(r.FormValue("conn")); err != nil {
		fail(w, err)
		return
	}
	answer(w, struct{}{})
}

func (s *Server) migrate(w http.ResponseWriter, r *http.Request) {
	var req MigrateRequest
	if !decode(w, r, &req) {
		return
	}
	if err := s.node.Migrate(r.Context(), req.Conn, req.Local); err != nil {
		fail(w, err)
		return
	}
	answer(w, struct{}{})
}

func (s *Server) address(w http.ResponseWriter, r *http.Request) {
	var req AddressRequest
	if !decode(w, r, &req) {
		return
	}
	var err error
	if req.Add.IsValid() {
		err = s.node.AddAddress(req.Add)
	}
	if err == nil && req.Remove.IsValid() {
		err = s.node.RemoveAddress(req.Remove)
	}
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, struct{}{})
}

// decode reads the body of a request into v, or answers with an error.
func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		refuse(w, &Error{err.Error(), true})
		return false
	}
	// The server reads the bytes behind the body: so it notices that a client goes.
	_, _ = io.Copy(io.Discard, r.Body)
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// It fails if the client is gone, and then needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

// fail answers with an error of the node.
func fail(w http.ResponseWriter, err error) {
	refuse(w, &Error{err.Error(), errors.Is(err, node.ErrConfig) || errors.Is(err, node.ErrNoConn)})
}

func refuse(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	status := http.StatusInternalServerError
	if e.Usage {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(e)
}
