// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// events sends events until the client goes.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ch, stop := s.node.Events()
	defer stop()
	lines := newLines(w)
	lines.begin()
	for {
		select {
		case ev := <-ch:
			if lines.send(ev) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// lines is an answer of JSON values, one a line, each sent at once.
type lines struct {
	w   http.ResponseWriter
	enc *json.Encoder
	rc  *http.ResponseController
}

func newLines(w http.ResponseWriter) *lines {
	return &lines{w, json.NewEncoder(w), http.NewResponseController(w)}
}

// begin sends the headers.
func (l *lines) begin() {
	l.w.Header().Set("Content-Type", "application/x-ndjson")
	l.w.WriteHeader(http.StatusOK)
	_ = l.rc.Flush() // fails if the client is gone; the next send tells
}

func (l *lines) send(v any) error {
	if err := l.enc.Encode(v); err != nil {
		return err
	}
	return l.rc.Flush()
}

// dial connects, and turns the connection to the client into the byte stream.
func (s *Server) dial(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != upgrade {
		refuse(w, &Error{fmt.Sprintf("a dial needs the header Upgrade: %s", upgrade), true})
		return
	}
	c, err := s.node.Dial(r.Context(), node.KindDial, r.FormValue("address"), r.FormValue("require") != "")
	if err != nil {
		fail(w, err)
		return
	}
	client, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.node.Drop(c, err)
		return
	}
	fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s: %s\r\n\r\n", upgrade, connHeader, c.ID)
	if err := buf.Flush(); err != nil {
		client.Close()
		s.node.Drop(c, err)
		return
	}
	s.node.Carry(c, relay.Buffered(client.(relay.Conn), buf))
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	var req ServeRequest
	if decode(w, r, &req) {
		open(w, r, req.Rules, func(rule node.ServeRule) (*node.Service, error) { return s.node.Serve(rule, req.DNAT) })
	}
}

func (s *Server) forward(w http.ResponseWriter, r *http.Request) {
	var req ForwardRequest
	if decode(w, r, &req) {
		open(w, r, req.Rules, s.node.Forward)
	}
}

func (s *Server) socks(w http.ResponseWriter, r *http.Request) {
	var req SOCKSRequest
	if decode(w, r, &req) {
		open(w, r, []string{req.Listen}, s.node.SOCKS)
	}
}

// open opens a service for each rule, tells the client of them in one line, and
// keeps them until it goes. If one fails, none is left.
func open[R any](w http.ResponseWriter, r *http.Request, rules []R, open func(R) (*node.Service, error)) {
	var services []*node.Service
	defer func() {
		for _, svc := range services {
			svc.Close()
		}
	}()
	for _, rule := range rules {
		svc, err := open(rule)
		if err != nil {
			fail(w, err)
			return
		}
		services = append(services, svc)
	}
	lines := newLines(w)
	lines.begin()
	if lines.send(services) == nil {
		<-r.Context().Done()
	}
}
