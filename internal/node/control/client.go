// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"github.com/mnet-dev/mnet/internal/node"
	"github.com/mnet-dev/mnet/internal/node/relay"
)

// Client talks to the node whose socket is at Path. An error of the node is an
// *[Error]. Other errors name the remedy.
type Client struct {
	Path string
}

// Status asks for a snapshot.
func (c *Client) Status(ctx context.Context) (*node.Status, error) {
	var s node.Status
	return &s, c.call(ctx, http.MethodGet, "status", nil, &s)
}

// Migrate moves a connection.
func (c *Client) Migrate(ctx context.Context, req MigrateRequest) error {
	return c.call(ctx, http.MethodPost, "migrate", req, &struct{}{})
}

// Address changes the addresses of the stack.
func (c *Client) Address(ctx context.Context, req AddressRequest) error {
	return c.call(ctx, http.MethodPost, "address", req, &struct{}{})
}

// Events calls f for each event, until ctx ends or f fails, and returns why it
// ended.
func (c *Client) Events(ctx context.Context, f func(node.Event) error) error {
	return c.Subscribe(ctx, func() {}, f)
}

// Subscribe is Events that calls ready first, when no event is missed any more.
func (c *Client) Subscribe(ctx context.Context, ready func(), f func(node.Event) error) error {
	resp, err := c.do(ctx, http.MethodGet, "events", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	ready()
	return decodeAll(ctx, resp.Body, f)
}

// Serve has ports served until ctx ends. opened is called once they are.
func (c *Client) Serve(ctx context.Context, req ServeRequest, opened func([]node.Service) error) error {
	return follow(ctx, c, http.MethodPost, "serve", req, opened)
}

// Forward has ports forwarded until ctx ends. opened is called once they are.
func (c *Client) Forward(ctx context.Context, req ForwardRequest, opened func([]node.Service) error) error {
	return follow(ctx, c, http.MethodPost, "forward", req, opened)
}

// SOCKS has a proxy until ctx ends. opened is called once it is there.
func (c *Client) SOCKS(ctx context.Context, req SOCKSRequest, opened func([]node.Service) error) error {
	return follow(ctx, c, http.MethodPost, "socks", req, opened)
}

// Dial connects to address by the node's stack. end says how the connection ended,
// once that has been seen.
func (c *Client) Dial(ctx context.Context, address string, require bool) (conn relay.Conn, end func(context.Context) error, err error) {
	raw, err := c.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, id, err := c.upgrade(raw, address, require)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, nil, err
	}
	end = func(ctx context.Context) error {
		return c.call(ctx, http.MethodGet, "end?conn="+url.QueryEscape(id), nil, &struct{}{})
	}
	return conn, end, nil
}

func (c *Client) upgrade(raw relay.Conn, address string, require bool) (relay.Conn, string, error) {
	query := url.Values{"address": {address}}
	if require {
		query.Set("require", "1")
	}
	req, err := http.NewRequest(http.MethodPost, endpointURL("dial?"+query.Encode()), nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", upgrade)
	if err := req.Write(raw); err != nil {
		return nil, "", fmt.Errorf("control socket: %w", err)
	}
	r := bufio.NewReader(raw)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, "", fmt.Errorf("control socket: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, "", readError(resp)
	}
	return relay.Buffered(raw, r), resp.Header.Get(connHeader), nil
}

// connect opens the socket.
func (c *Client) connect(ctx context.Context) (relay.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Path)
	switch {
	case err == nil:
		return conn.(relay.Conn), nil
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no mnet runs here (nobody answers at %s): start it with mnet up, or name its socket (--socket, %s)", c.Path, SocketEnv)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s: permission denied: run as its owner or root, or start mnet up with --socket-owner", c.Path)
	default:
		return nil, fmt.Errorf("control socket: %w", err)
	}
}

// endpointURL returns the URL of a request; the host does not matter.
func endpointURL(path string) string { return "http://mnet/v1/" + path }

// do sends a request. The caller closes the body, and with it the connection.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, endpointURL(path), content)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.connect(ctx) },
	}
	resp, err := t.RoundTrip(req)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return nil, fmt.Errorf("mnet has gone (%w): start it again with mnet up", err)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

// call sends a request and reads the answer into result.
func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(result); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// follow sends a request and calls f for each value of the answer, until ctx ends, f
// fails or the node does. It returns the reason, or nil if the answer has ended.
func follow[T any](ctx context.Context, c *Client, method, path string, body any, f func(T) error) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decodeAll(ctx, resp.Body, f)
}

// decodeAll calls f for each value that r has, as follow does.
func decodeAll[T any](ctx context.Context, r io.Reader, f func(T) error) error {
	dec := json.NewDecoder(r)
	for {
		var v T
		err := dec.Decode(&v)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("mnet has gone: %w", err)
		}
		if err := f(v); err != nil {
			return err
		}
	}
}

// readError returns the error that an answer is.
func readError(resp *http.Response) error {
	e := new(Error)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRequest)).Decode(e); err != nil || e.Message == "" {
		return fmt.Errorf("control socket: %s: is it another version of mnet?", resp.Status)
	}
	return e
}
