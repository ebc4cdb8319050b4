// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"github.com/mnet-dev/mnet/endpoint"
	"github.com/mnet-dev/mnet/migrate"
)

// run is one download.
type run struct {
	cfg     Config
	network *network
	source  *source
	steps   []step

	client, server atomic.Pointer[endpoint.Conn]
	left           *step // the last one, if its old address is still there

	sum      hash.Hash
	received int64
	virtual  time.Duration
	ended    atomic.Bool // all of the file has been read

	mu    sync.Mutex
	at    position
	moves []Move
}

// stallLimit ends a run that gets nowhere, in virtual time. It is longer than the
// longest retransmission timeout.
const stallLimit = 5 * time.Minute

// patience is the least real time for which stallLimit lasts: virtual time does not
// wait for a slow disk.
const patience = 10 * time.Second

// do downloads and migrates, and returns when both are done.
func (r *run) do(ctx context.Context, start position) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer r.watch(cancel)()
	r.network.sim.Start()
	if err := r.download(ctx, cancel, start); err != nil {
		cancel(err) // unless that is why
		return context.Cause(ctx)
	}
	return nil
}

// watch calls cancel when the application has read nothing for stallLimit, until
// stop is called.
func (r *run) watch(cancel context.CancelCauseFunc) (stop func() bool) {
	var before int64
	since := time.Now()
	var timer tcpip.Timer
	timer = r.network.sim.Clock.AfterFunc(stallLimit, func() {
		now := r.network.meter.progress()
		if now == before && time.Since(since) > patience {
			moves, at := r.position()
			cancel(fmt.Errorf("no data arrived for %v of virtual time, after %d bytes and %d migrations, at %v", stallLimit, now, moves, at))
			return
		}
		if now != before {
			before, since = now, time.Now()
		}
		timer.Reset(stallLimit)
	})
	return timer.Stop
}

func (r *run) download(ctx context.Context, cancel context.CancelCauseFunc, start position) error {
	stop, err := r.serve(ctx)
	if err != nil {
		return err
	}
	defer stop()
	transport := &http.Transport{DialContext: r.dial, DisableCompression: true}
	defer transport.CloseIdleConnections()
	body, err := r.get(ctx, &http.Client{Transport: transport}, start.server)
	if err != nil {
		return err
	}
	defer body.Close()

	triggers := make(chan struct{}, len(r.steps))
	migrated := make(chan error, 1)
	go func() {
		err := r.migrateAll(ctx, triggers)
		if err != nil {
			cancel(err) // ends the download, too
		}
		migrated <- err
	}()
	err = r.receive(body, triggers)
	if err != nil {
		cancel(err) // ends the migrations, too
	}
	close(triggers)
	return cmp.Or(<-migrated, err)
}

func (r *run) options() endpoint.MigrationOptions {
	return endpoint.MigrationOptions{Suites: []migrate.SuiteID{r.cfg.Suite}}
}

// serve starts the HTTP server.
func (r *run) serve(ctx context.Context) (stop func(), err error) {
	lc := endpoint.ListenConfig{
		Stack:            r.network.server,
		Migration:        endpoint.Required,
		MigrationOptions: r.options(),
	}
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf(":%d", httpPort))
	if err != nil {
		return nil, err
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			http.ServeContent(w, req, r.source.name, time.Time{}, r.source)
		}),
		// The server moves too, so somebody has to know its connection.
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				r.server.Store(c.(*endpoint.Conn))
			}
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l) // returns when the server is closed
	}()
	return func() {
		srv.Close()
		<-done
	}, nil
}

// dial is the transport's DialContext.
func (r *run) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := endpoint.Dialer{
		Stack:            r.network.client,
		Migration:        endpoint.Required,
		MigrationOptions: r.options(),
	}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	r.client.Store(c.(*endpoint.Conn))
	return &meteredConn{c, r.network.meter}, nil
}

// get asks for the file.
func (r *run) get(ctx context.Context, client *http.Client, server netip.Addr) (io.ReadCloser, error) {
	url := fmt.Sprintf("http://%v/", netip.AddrPortFrom(server, httpPort))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return resp.Body, nil
}

// receive reads the file and triggers the migrations, evenly spread over the
// bytes.
func (r *run) receive(body io.Reader, triggers chan<- struct{}) error {
	const chunk = 64 << 10
	buf := make([]byte, chunk)
	r.sum = sha256.New()
	triggered := 0
	for {
		n, err := body.Read(buf)
		r.sum.Write(buf[:n])
		r.received += int64(n)
		for triggered < len(r.steps) && r.received >= r.threshold(triggered) {
			triggers <- struct{}{}
			triggered++
		}
		r.progress()
		if err == io.EOF {
			r.ended.Store(true)
			r.network.meter.end()
			r.virtual = r.network.sim.Clock.Elapsed()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// threshold is the number of bytes after which the i-th migration begins.
func (r *run) threshold(i int) int64 {
	return int64(float64(r.source.size) * float64(i+1) / float64(len(r.steps)+1))
}

func (r *run) progress() {
	if r.cfg.Progress == nil {
		return
	}
	moves, path := r.position()
	r.cfg.Progress(Progress{
		Received:   r.received,
		Total:      r.source.size,
		Virtual:    r.network.sim.Clock.Elapsed(),
		Migrations: moves,
		Path:       path,
	})
}

// position returns how many migrations are done, and the path in use.
func (r *run) position() (int, Path) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.moves), r.at.path()
}
