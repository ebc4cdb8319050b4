// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/mnet-dev/mnet/migrate"
	"github.com/mnet-dev/mnet/netstack"
	"github.com/mnet-dev/mnet/netstack/simnet"
)

// TestForgedReset resets a connection by a segment that any observer of its packets can
// make. The connection waits, and a migration resumes it.
//
// M701: A RST on the current path that RFC 5961 would accept (SEQ = RCV.NXT) MUST NOT
// close a connection whose peer has confirmed its keys. The connection MUST be held.
//
// M703: A held connection MUST receive segments. It MUST send nothing but the segments
// of a migration's handshake.
//
// M705: Further RSTs during a hold MUST be ignored.
//
// M706: A valid migration by either end MUST end the hold.
func TestForgedReset(t *testing.T) {
	for _, suite := range allSuites {
		for _, opts := range [][]byte{nil, option{}.encode(), option{tag: 4711}.encode()} {
			t.Run(fmt.Sprintf("%v/%d", suite, len(opts)), func(t *testing.T) {
				v := newVictim(t, rigConfig{}, suite)
				up, down := newStream(v.c, v.s, 1), newStream(v.s, v.c, 2)
				exchanged := func() {
					up.send(t, 10_000)
					down.send(t, 10_000)
				}
				exchanged()
				v.sleep(time.Second)
				rst := resetOf(v.s).with(withOptions(opts...))
				v.mallory.plays(rst)
				if n := counts(v.server, migrate.CountResetHeld); n != 1 || !v.s.Migration().Holding || v.server.MigrationStats().Holds != 1 {
					t.Fatalf("held %d, holding %v", n, v.s.Migration().Holding)
				}
				// More of them do no more harm.
				v.mallory.playsTogether(rst, rst)
				// Nothing is sent, but segments that come are taken.
				sent := v.net.Bottleneck.Stats(simnet.BtoA).Sent
				exchanged()
				v.sleep(5 * time.Second)
				if n := v.net.Bottleneck.Stats(simnet.BtoA).Sent - sent; n != 0 {
					t.Errorf("%d packets from a connection that waits", n)
				}
				if s, c := sequenceOf(v.s), sequenceOf(v.c); s.rcv != c.nxt {
					t.Errorf("%d bytes have not been taken", c.nxt-s.rcv)
				}
				v.migrate(v.c, "10.2.0.2")
				exchanged()
				up.finish(t)
				down.finish(t)
				if st := v.server.MigrationStats(); v.s.Migration().Holding || st.Holds != 0 {
					t.Errorf("still holding, %d holds", st.Holds)
				}
			})
		}
	}
}

// TestResetOutOfPlace forges RSTs that RFC 5961 does not accept.
func TestResetOutOfPlace(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	before := v.server.MigrationStats().Counts
	for _, off := range []uint32{1, 1000, 1 << 30, 1 << 31, ^uint32(0)} {
		rst := resetOf(v.s)
		v.mallory.plays(rst, withSeq(rst.seq+off))
	}
	if d := since(before, v.server.MigrationStats().Counts); len(d) != 0 || v.s.Migration().Holding {
		t.Errorf("counted %v, holding %v", d, v.s.Migration().Holding)
	}
	v.unharmed(t)
}

// TestResetOldTuple forges a RST for a tuple that the connection has left.
func TestResetOldTuple(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	rst := resetOf(v.s)
	v.migrate(v.c, "10.2.0.2")
	v.sleep(time.Second)
	v.mallory.plays(rst, withSeq(sequenceOf(v.s).rcv))
	v.sleep(10 * time.Second)
	v.mallory.plays(rst, withSeq(sequenceOf(v.s).rcv))
	if v.s.Migration().Holding {
		t.Error("holding")
	}
	bothWays(t, v.c, v.s, 10_000)()
}

// TestHoldDisabled has connections for which a RST is a RST.
//
// M711: The application MUST see the hold, and MAY opt out.
func TestHoldDisabled(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(*rig)
		want migrate.Counter
	}{
		{"no hold", func(r *rig) { r.listen.MigrationOptions.Hold = -1 }, migrate.CountHoldRefused},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, rigConfig{})
			test.set(r)
			v := &victim{rig: r, mallory: r.mallory()}
			v.c, v.s = r.open(serverAddr)
			v.mallory.plays(resetOf(v.s))
			if err := v.readError(v.s); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read: %v", err)
			}
			if n := counts(r.server, test.want); n != 1 {
				t.Errorf("%v: %d", test.want, n)
			}
		})
	}
}

// TestAbort aborts at one end. The other knows at once that it is meant.
//
// M702: M701 does not apply to a RST that carries a Migrate option with a valid Abort
// tag: then the peer's application aborted. Such a RST MUST close the connection.
//
// M721: An end that aborts a connection that can migrate MUST put the Abort tag in the
// Migrate option of its RST. Its Token names the sender's last request if that may not
// be completed, else the next.
func TestAbort(t *testing.T) {
	for _, suite := range allSuites {
		for _, moved := range []bool{false, true} {
			for _, client := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/moved=%v/client=%v", suite, moved, client), func(t *testing.T) {
					r := newRig(t, rigConfig{})
					r.suites(suite)
					c, s := r.open(serverAddr)
					exchange(t, c, s, 10_000)
					if moved {
						r.migrate(c, "10.2.0.2")
						exchange(t, c, s, 10_000)
					}
					if !client {
						c, s = s, c
					}
					begin := r.net.Clock.Elapsed()
					c.SetLinger(0)
					c.Close()
					if err := r.readError(s); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("read: %v", err)
					}
					if took := r.net.Clock.Elapsed() - begin; took > 2*delay {
						t.Errorf("after %v", took)
					}
					if n := counts(s.stack, migrate.CountAborted); n != 1 {
						t.Errorf("aborted: %d", n)
					}
					s.Close()
					r.nothingLeft(t)
				})
			}
		}
	}
}

// TestAbortByClose closes in the two ways that abort as well: with data that
// nobody has read, and while the peer sends.
func TestAbortByClose(t *testing.T) {
	for _, client := range []bool{false, true} {
		r := newRig(t, rigConfig{})
		c, s := r.open(serverAddr)
		if !client {
			c, s = s, c
		}
		exchange(t, c, s, 10_000)
		s.Write([]byte("x"))
		r.sleep(time.Second)
		begin := r.net.Clock.Elapsed()
		c.Close()
		if err := r.readError(s); !errors.Is(err, syscall.ECONNRESET) || r.net.Clock.Elapsed()-begin > 2*delay {
			t.Errorf("client %v, unread data: %v after %v", client, err, r.net.Clock.Elapsed()-begin)
		}

		r = newRig(t, rigConfig{})
		c, s = r.open(serverAddr)
		if !client {
			c, s = s, c
		}
		c.Close()
		r.sleep(time.Second)
		begin = r.net.Clock.Elapsed()
		var err error
		for err == nil {
			_, err = s.Write([]byte("x"))
			r.sleep(delay)
		}
		if took := r.net.Clock.Elapsed() - begin; took > 5*delay {
			t.Errorf("client %v, while the peer sends: %v after %v", client, err, took)
		}
	}
}

// TestAbortEarly aborts while the keys are being exchanged, when one end may have
// them and the other not yet.
func TestAbortEarly(t *testing.T) {
	for _, client := range []bool{false, true} {
		for wait := time.Duration(0); wait <= 8*delay; wait += delay / 2 {
			r := newRig(t, rigConfig{})
			c, s := r.pair(serverAddr)
			r.sleep(wait)
			if !client {
				c, s = s, c
			}
			states := fmt.Sprint(c.Migration().State, s.Migration().State)
			begin := r.net.Clock.Elapsed()
			c.SetLinger(0)
			c.Close()
			err := r.readError(s)
			if took := r.net.Clock.Elapsed() - begin; !errors.Is(err, syscall.ECONNRESET) || took > 2*delay {
				t.Errorf("client %v, %s: %v after %v", client, states, err, took)
			}
		}
	}
}

// TestResetUnknown answers requests for unknown connections as the draft does.
//
// M411: A migrate SYN MUST be dropped if its token is unknown. A setting answers it
// with RST, as the draft has it.
func TestResetUnknown(t *testing.T) {
	v := newVictim(t, rigConfig{server: netstack.Config{Migration: netstack.MigrationConfig{ResetUnknown: true}}}, migrate.SuiteX25519SHA256)
	v.listening()
	request := withOptions(option{1, 2, 3}.encode()...)
	v.mallory.sends(fSYN, withSeq(1000), request)
	v.mallory.wants("unknown token", fRST|fACK, withAck(1001), withSeq(0))
	v.mallory.wantsNothing("unknown token")
	v.ignored(t, "bad checksum", v.server, tally{migrate.CountUnknownToken: 1}, func() {
		v.mallory.sends(fSYN, withSeq(1000), request, withBadChecksum)
	})
	if n := connections(v.server); n != 3 { // two listeners, one for each family, and the victim
		t.Errorf("%d connections", n)
	}
	v.unharmed(t)
}

// TestRequestTimeWait sends requests to a tuple in TIME-WAIT, where a SYN could
// open a connection anew.
//
// M405: The token table MUST be asked before any listener and any 4-tuple look-up.
func TestRequestTimeWait(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.listening()
	old := v.capture(v.c)
	local, _ := v.c.addrs()
	v.s.Close()
	v.c.Close()
	v.sleep(time.Second)
	if st := tcp.EndpointState(v.s.ep.State()); st != tcp.StateTimeWait {
		t.Fatalf("state %v", st)
	}
	before := connections(v.server)
	for name, test := range map[string]struct {
		segment segment
		answers uint64
	}{
		"its own request":                    {old, 2}, // steps 2 and 3 (M732)
		"its own request from its own tuple": {segment{src: local, dst: old.dst, seq: old.seq, flags: fSYN, opts: old.opts}, 0},
		"unknown token":                      {segment{src: local, dst: old.dst, seq: old.seq + 1<<20, flags: fSYN, opts: option{1, 2, 3}.encode()}, 0},
	} {
		sent := v.net.Bottleneck.Stats(simnet.BtoA).Sent
		v.mallory.plays(test.segment)
		v.sleep(time.Second)
		if n := v.net.Bottleneck.Stats(simnet.BtoA).Sent - sent; n != test.answers || connections(v.server) != before {
			t.Errorf("%s: %d answers, %d connections, had %d", name, n, connections(v.server), before)
		}
	}
}

// TestRequestMeetsClose has a request wait in the queue of a connection that
// closes meanwhile. Nobody else must get it, not even a listener.
func TestRequestMeetsClose(t *testing.T) {
	v := newVictim(t, rigConfig{}, migrate.SuiteX25519SHA256)
	v.listening()
	request := v.capture(v.c)
	before := connections(v.server)
	sent := v.net.Bottleneck.Stats(simnet.BtoA).Sent
	ep := v.s.ep.(interface {
		MigrationLock(func())
		MigrationAbort(tcpip.Error)
	})
	ep.MigrationLock(func() {
		// The endpoint is locked: segments that come are queued.
		v.mallory.plays(request)
		ep.MigrationAbort(&tcpip.ErrConnectionReset{})
	})
	v.sleep(time.Second)
	if err := v.readError(v.s); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v", err)
	}
	if n := v.net.Bottleneck.Stats(simnet.BtoA).Sent - sent; n != 0 {
		t.Errorf("%d answers", n)
	}
	if n := connections(v.server); n != before-1 {
		t.Errorf("%d connections, had %d", n, before)
	}
}
