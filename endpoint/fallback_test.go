// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// Kinds of the options.
const (
	kindPermitted = 15
	kindMigrate   = 16
)

// oneWay lets a box see one direction only.
type oneWay struct {
	simnet.Box
	dir simnet.Direction
}

func (b oneWay) Process(p *simnet.Packet, at simnet.Hop) simnet.Verdict {
	if at.Dir != b.dir {
		return simnet.Pass
	}
	return b.Box.Process(p, at)
}

// plainTCP checks that c is plain TCP for one of the reasons and says so.
func plainTCP(t *testing.T, name string, c *Conn, reasons ...migrate.PlainReason) {
	t.Helper()
	if err := c.AwaitMigratable(context.Background()); !errors.Is(err, ErrNotNegotiated) {
		t.Errorf("%s: await: %v", name, err)
	}
	if i := c.Migration(); i.State != migrate.Plain || !slices.Contains(reasons, i.Reason) {
		t.Errorf("%s: %v, %v; want plain, %v", name, i.State, i.Reason, reasons)
	}
	if err := c.Migrate(context.Background(), addr("10.2.0.2")); !errors.Is(err, ErrNotNegotiated) || !strings.Contains(err.Error(), c.Migration().Reason.String()) {
		t.Errorf("%s: migrate: %v", name, err)
	}
	p, err := c.AddPath(addr("10.2.0.2"))
	if err == nil {
		_, err = p.Probe(context.Background())
	}
	if !errors.Is(err, ErrNotNegotiated) {
		t.Errorf("%s: probe: %v", name, err)
	}
}

// bothWays begins to carry n bytes in each direction. finish ends the connection and
// checks that they have arrived.
func bothWays(t *testing.T, c, s *Conn, n int64) (finish func()) {
	t.Helper()
	up, down := newStream(c, s, 1), newStream(s, c, 2)
	waitUp, waitDown := up.sending(t, n), down.sending(t, n)
	return func() {
		t.Helper()
		waitUp()
		waitDown()
		up.finish(t)
		down.finish(t)
	}
}

// exchange carries n bytes in each direction and leaves the connection open.
func exchange(t *testing.T, c, s *Conn, n int) {
	t.Helper()
	for _, e := range [][2]*Conn{{c, s}, {s, c}} {
		src, dst := e[0], e[1]
		sent := make([]byte, n)
		rand.NewChaCha8([32]byte{3}).Read(sent)
		done := make(chan error, 1)
		go func() {
			_, err := src.Write(sent)
			done <- err
		}()
		got := make([]byte, n)
		dst.SetReadDeadline(dst.stack.Clock().Now().Add(patience))
		_, err := io.ReadFull(dst, got)
		if err := errors.Join(err, <-done); err != nil || !bytes.Equal(sent, got) {
			t.Fatalf("exchange: %v, or not the bytes sent", err)
		}
		dst.SetReadDeadline(time.Time{})
	}
}

// TestFallback tampers with the negotiation in every way that a middlebox is
// known to. The connection is plain TCP and carries its data from the first
// moment on.
func TestFallback(t *testing.T) {
	const (
		none        = migrate.PlainNotOffered
		noAnswer    = migrate.PlainNoAnswer
		unconfirmed = migrate.PlainUnconfirmed
	)
	kinds := []uint8{kindPermitted}
	type reasons = []migrate.PlainReason
	box := func(a simnet.OptionAction, s simnet.Segments) *simnet.OptionBox {
		return &simnet.OptionBox{Action: a, Kinds: kinds, Segments: s}
	}
	for _, test := range []struct {
		name           string
		box            simnet.Box
		client, server reasons
	}{
		{"strip SYN", box(simnet.StripOption, simnet.OnSYN), reasons{none}, reasons{none}},
		{"remove SYN", box(simnet.RemoveOption, simnet.OnSYN), reasons{none}, reasons{none}},
		{"strip SYN-ACK", box(simnet.StripOption, simnet.OnSYNACK), reasons{none}, reasons{noAnswer}},
		{"remove SYN-ACK", box(simnet.RemoveOption, simnet.OnSYNACK), reasons{none}, reasons{noAnswer}},
		{"strip ACK", box(simnet.StripOption, simnet.OnACK), reasons{noAnswer}, reasons{noAnswer}},
		{"strip ACK up", oneWay{box(simnet.StripOption, simnet.OnACK), simnet.AtoB}, reasons{noAnswer}, reasons{noAnswer}},
		{"strip ACK down", oneWay{box(simnet.RemoveOption, simnet.OnACK), simnet.BtoA}, reasons{noAnswer}, reasons{noAnswer}},
		{"strip all", box(simnet.StripOption, simnet.OnAny), reasons{none}, reasons{none}},
		{"garble SYN", box(simnet.GarbleOption, simnet.OnSYN), reasons{unconfirmed}, reasons{noAnswer, unconfirmed}},
		{"garble SYN-ACK", box(simnet.GarbleOption, simnet.OnSYNACK), reasons{unconfirmed}, reasons{noAnswer, unconfirmed}},
		{"garble ACK", box(simnet.GarbleOption, simnet.OnACK), reasons{unconfirmed}, reasons{noAnswer, unconfirmed}},
		{"garble ACK up", oneWay{box(simnet.GarbleOption, simnet.OnACK), simnet.AtoB}, reasons{unconfirmed}, reasons{noAnswer, unconfirmed}},
		{"garble ACK down", oneWay{box(simnet.GarbleOption, simnet.OnACK), simnet.BtoA}, reasons{unconfirmed}, reasons{noAnswer, unconfirmed}},
		{"mirror", box(simnet.MirrorOption, simnet.OnAny), reasons{migrate.PlainMirrored}, reasons{noAnswer}},
		{"discard ACK", box(simnet.DiscardOption, simnet.OnACK), reasons{noAnswer}, reasons{noAnswer}},
	} {
		for _, suite := range []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1} {
			t.Run(test.name+"/"+suite.String(), func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.suites(suite)
				r.net.Uplinks[0].Use(test.box)
				c, s := r.pair(serverAddr)
				finish := bothWays(t, c, s, 256<<10)
				plainTCP(t, "client", c, test.client...)
				plainTCP(t, "server", s, test.server...)
				finish()
				for _, st := range []*netstack.Stack{r.client, r.server} {
					if st := st.MigrationStats(); st.Tokens != 0 {
						t.Errorf("%d tokens", st.Tokens)
					}
				}
			})
		}
	}
}

// TestFallbackPolicy has one end, or both, without migration, as a peer with an
// unpatched stack is.
func TestFallbackPolicy(t *testing.T) {
	for _, test := range []struct {
		name           string
		client, server Policy
		c, s           migrate.PlainReason
	}{
		{"client off", Off, Preferred, migrate.PlainOff, migrate.PlainNotOffered},
		{"server off", Preferred, Off, migrate.PlainNotOffered, migrate.PlainOff},
		{"both off", Off, Off, migrate.PlainOff, migrate.PlainOff},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, rigConfig{})
			r.dialer.Migration, r.listen.Migration = test.client, test.server
			c, s := r.pair(serverAddr)
			finish := bothWays(t, c, s, 256<<10)
			plainTCP(t, "client", c, test.c)
			plainTCP(t, "server", s, test.s)
			finish()
		})
	}
}

// TestFallbackFormat has two ends that write their options in different formats.
func TestFallbackFormat(t *testing.T) {
	experimental := netstack.Config{Migration: netstack.MigrationConfig{Format: migrate.FormatExperimental}}
	for _, cfg := range []rigConfig{{client: experimental}, {server: experimental}} {
		r := newRig(t, cfg)
		c, s := r.pair(serverAddr)
		finish := bothWays(t, c, s, 256<<10)
		plainTCP(t, "client", c, migrate.PlainNotOffered)
		plainTCP(t, "server", s, migrate.PlainNotOffered)
		finish()
	}
	r := newRig(t, rigConfig{client: experimental, server: experimental})
	c, s := r.open(serverAddr)
	finish := bothWays(t, c, s, 256<<10)
	r.migrate(c, "10.2.0.2")
	finish()
}

// TestFallbackSuites has ends that do not share the suite that is offered.
func TestFallbackSuites(t *testing.T) {
	all := []migrate.SuiteID{migrate.SuiteX25519SHA256, migrate.SuiteX25519SHA1, migrate.SuiteNull}
	for _, offered := range all {
		for _, allowed := range all {
			t.Run(offered.String()+"/"+allowed.String(), func(t *testing.T) {
				r := newRig(t, rigConfig{})
				r.dialer.MigrationOptions.Suites = []migrate.SuiteID{offered}
				r.listen.MigrationOptions.Suites = []migrate.SuiteID{allowed}
				c, s := r.pair(serverAddr)
				finish := bothWays(t, c, s, 64<<10)
				if offered == allowed {
					r.await(c, s)
					r.migrate(c, "10.2.0.2")
				} else {
					plainTCP(t, "client", c, migrate.PlainNotOffered)
					plainTCP(t, "server", s, migrate.PlainSuite, migrate.PlainNotOffered)
				}
				finish()
			})
		}
	}
}

// TestWithoutExtensions strips the options that a connection usually has beside ours.
// It can migrate with any subset of them.
func TestWithoutExtensions(t *testing.T) {
	for _, test := range []struct {
		name  string
		kinds []uint8
	}{
		{"timestamps", []uint8{header.TCPOptionTS}},
		{"window scale", []uint8{header.TCPOptionWS}},
		{"SACK", []uint8{header.TCPOptionSACKPermitted}},
		{"MSS", []uint8{header.TCPOptionMSS}},
		{"all", []uint8{header.TCPOptionTS, header.TCPOptionWS, header.TCPOptionSACKPermitted, header.TCPOptionMSS}},
	} {
		for _, suite := range allSuites {
			t.Run(test.name+"/"+suite.String(), func(t *testing.T) {
				r := newRig(t, rigConfig{nat: &strictNAT})
				r.suites(suite)
				r.net.Bottleneck.Use(&simnet.OptionBox{Kinds: test.kinds, Segments: simnet.OnSYN | simnet.OnSYNACK})
				c, s := r.pair(serverAddr)
				finish := bothWays(t, c, s, 256<<10)
				for name, c := range map[string]*Conn{"client": c, "server": s} {
					if err := c.AwaitMigratable(context.Background()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				r.migrate(c, "10.2.0.2")
				finish()
				r.checkNATs(t)
			})
		}
	}
}

// TestRequiredDial fails dials whose negotiation fails, and resets them.
//
// M345: With policy required, a connection without the option in its SYN-ACK MUST fail
// to open.
func TestRequiredDial(t *testing.T) {
	for _, s := range []simnet.Segments{simnet.OnSYN, simnet.OnSYNACK, simnet.OnACK} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			r := newRig(t, rigConfig{})
			r.net.Uplinks[0].Use(&simnet.OptionBox{Kinds: []uint8{kindPermitted}, Segments: s})
			r.dialer.Migration = Required
			ln, err := r.listen.Listen(context.Background(), "tcp", serverAddr)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			read := make(chan error, 1)
			go func() {
				a, err := ln.Accept()
				if err == nil {
					err = r.readError(a)
					a.Close()
				}
				read <- err
			}()
			c, err := r.dialer.Dial("tcp", serverAddr)
			if !errors.Is(err, ErrNotNegotiated) {
				t.Fatalf("dial: %v, %v", c, err)
			}
			if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read of the accepted connection: %v", err)
			}
			if n := connections(r.client); n != 0 {
				t.Errorf("%d connections are left", n)
			}
		})
	}
}

// TestRequiredListener resets connections that cannot migrate.
//
// M346: An acceptor with policy required MUST reset a connection whose SYN lacked the
// option.
func TestRequiredListener(t *testing.T) {
	r := newRig(t, rigConfig{})
	r.listen.Migration = Required
	ln, err := r.listen.Listen(context.Background(), "tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan *Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := ln.(*Listener).AcceptConn()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	reset := func(c net.Conn) {
		t.Helper()
		defer c.Close()
		if err := r.readError(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
	}

	// One that does not offer it is never seen.
	r.dialer.Migration = Off
	c, err := r.dialer.Dial("tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	reset(c)

	// One whose negotiation fails later is reset when it does.
	r.dialer.Migration = Preferred
	r.inner[0].set((&simnet.OptionBox{Kinds: []uint8{kindPermitted}, Segments: simnet.OnACK}).Process)
	if c, err = r.dialer.Dial("tcp", serverAddr); err != nil {
		t.Fatal(err)
	}
	s := <-accepted
	reset(c)
	if err := r.readError(s); !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("read at the server: %v", err)
	}
	s.Close()

	r.inner[0].set(nil)
	d, err := r.dialer.Dial("tcp", serverAddr)
	if err != nil {
		t.Fatal(err)
	}
	c2, s2 := d.(*Conn), <-accepted
	r.await(c2, s2)
	bothWays(t, c2, s2, 1000)()
	ln.Close()
	<-accepted
	s2.Close()
	c2.Close()
}
