// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/mnet-dev/mnet/migrate"
)

// TestLateInjection has somebody at an address that an end has left send to the other end,
// and keep the tuple from being released. The attacker knows all numbers.
//
// M630: A proof with the flag cover tells the end of all old tuples that have none: its
// SEQ. On an old tuple a segment MUST NOT count if its SEQ + length is above the end.
func TestLateInjection(t *testing.T) {
	const evil, good = "rm -rf /\n", "hello, world\n"
	for _, kind := range []string{"data", "FIN", "hole"} {
		for _, toClient := range []bool{false, true} {
			for _, after := range []time.Duration{0, 100 * time.Millisecond, 2 * time.Second, 50 * time.Second} {
				t.Run(fmt.Sprintf("%s/client %v/%v", kind, toClient, after), func(t *testing.T) {
					for _, f := range fronts[:2] {
						v := f.victim(t, rigConfig{}, migrate.SuiteX25519SHA256)
						reader, writer := v.s, v.c
						if toClient {
							reader, writer = v.c, v.s
						}
						to, from := reader.addrs()
						v.migrate(v.c, v.second)
						v.sleep(baseRTT) // the server has moved, too
						rcv := sequenceOf(reader).rcv
						for begin := v.net.Clock.Elapsed(); v.net.Clock.Elapsed()-begin < after; {
							v.mallory.puts(segment{src: from, dst: to, seq: rcv - 1, ack: 1, flags: fACK})
							v.sleep(50 * time.Millisecond)
						}
						s := segment{src: from, dst: to, seq: rcv, ack: 1, flags: fACK, payload: []byte(evil)}
						switch kind {
						case "FIN":
							s.payload, s.flags = nil, fACK|fFIN
						case "hole":
							s.seq += 5
						}
						v.mallory.plays(s)
						v.sleep(2 * delay)
						if _, err := writer.Write([]byte(good)); err != nil {
							t.Fatal(err)
						}
						b := make([]byte, len(good))
						reader.SetReadDeadline(v.net.Clock.Now().Add(time.Second))
						if _, err := io.ReadFull(reader, b); err != nil || string(b) != good {
							t.Errorf("%s: read %q, %v", f.second, b, err)
						}
						writer.Close()
						if n, err := reader.Read(b); !errors.Is(err, io.EOF) {
							t.Errorf("%s: then %q, %v", f.second, b[:n], err)
						}
					}
				})
			}
		}
	}
}

// TestLateInjectionBusy is the same with an upload. More of it is in flight than the SYN-ACK
// has a window for, so that the cover comes behind step 4.
func TestLateInjectionBusy(t *testing.T) {
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 45 * time.Millisecond, time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			v := newVictim(t, rigConfig{client: bigBuffers(), server: bigBuffers()}, migrate.SuiteX25519SHA256)
			from, to := v.c.addrs()
			up := newStream(v.c, v.s, 1)
			b := &burst{rig: v.rig, c: v.c, s: v.s, up: up, down: newStream(v.s, v.c, 2)}
			b.warm(1 << 20)
			up.send(t, 1<<20)
			v.migrate(v.c, v.second)
			for v.s.RemoteAddr().String() == from.String() {
				v.sleep(time.Millisecond)
			}
			// The window update that the cover waits for takes a round trip at most.
			v.sleep(baseRTT + after)
			at := sequenceOf(v.c)
			v.mallory.plays(segment{src: from, dst: to, seq: at.nxt, ack: 1, flags: fACK, payload: []byte("EVIL")})
			v.sleep(time.Second)
			if rcv := sequenceOf(v.s).rcv; rcv != at.nxt {
				t.Errorf("%d bytes more than were sent", int32(rcv-at.nxt))
			}
			up.finish(t)
		})
	}
}

// TestLateReset: a RST on a tuple that was left counts for nothing.
func TestLateReset(t *testing.T) {
	eachFront(t, func(t *testing.T, v *victim) {
		to, from := v.s.addrs()
		v.migrate(v.c, v.second)
		v.sleep(baseRTT)
		at := sequenceOf(v.s)
		v.ignored(t, "RST", v.server, tally{}, func() {
			v.mallory.plays(segment{src: from, dst: to, seq: at.rcv, ack: at.nxt, flags: fRST | fACK})
		})
		bothWays(t, v.c, v.s, 64<<10)()
	})
}
