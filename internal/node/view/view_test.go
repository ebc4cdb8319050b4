// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package view

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mnet-dev/mnet/internal/node"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

var now = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func ms(d time.Duration) *float64 {
	f := float64(d) / float64(time.Millisecond)
	return &f
}

var (
	ap = netip.MustParseAddrPort

	download = node.ConnStatus{
		ID: "3", Kind: node.KindForward, Peer: "192.0.2.130:80", State: "ESTABLISHED",
		Local: ap("10.77.0.2:40012"), Remote: ap("192.0.2.130:80"),
		Migratable: true, Suite: "x25519-sha256", Path: "wlan0 via 192.168.1.1",
		RTTMS: 41.3, LastContactMS: ms(120 * time.Millisecond), BytesIn: 734_003_200, BytesOut: 1234,
		Initiated: 2, Accepted: 1,
		LastMove: &node.MoveStatus{
			At: ago(42 * time.Second), Cause: "path gone", TookMS: 82.4, Uplink: "10.77.0.2 (wlan0 via 192.168.1.1)",
			From: ap("10.77.0.2:40011"), To: ap("10.77.0.2:40012"),
		},
	}
	plainTCP = node.ConnStatus{
		ID: "4", Kind: node.KindSOCKS, Peer: "www.example.org:443", State: "CLOSE-WAIT",
		Local: ap("10.77.0.2:40100"), Remote: ap("203.0.113.80:443"),
		Why: "the peer does not offer it", Path: "wlan0 via 192.168.1.1", RTTMS: 7.31, BytesIn: 999, BytesOut: 52_000,
	}
	held = node.ConnStatus{
		ID: "12", Kind: node.KindDial, Peer: "[2001:db8:5::2]:22", State: "MIGRATE-WAIT",
		Local: ap("[fd77:6d6e:6574::2]:50123"), Remote: ap("[2001:db8:5::2]:22"),
		Migratable: true, Suite: "x25519-sha1", RTTMS: 1503, LastContactMS: ms(11 * time.Minute), Unanswered: 7, InFlight: 84,
		BytesIn: 9_960, BytesOut: 4_400_000_000,
		LastMove: &node.MoveStatus{At: ago(4 * time.Second), Cause: "held", Error: "no route to host", From: ap("[fd77:6d6e:6574::2]:50123")},
	}
	silent = node.ConnStatus{
		ID: "103", Kind: node.KindServe, Peer: "22=127.0.0.1:22", State: "ESTABLISHED",
		Local: ap("[2001:db8:ffff:ffff:ffff:ffff:ffff:fffe]:22"), Remote: ap("[2001:db8:eeee:eeee:eeee:eeee:eeee:eeee]:65535"),
		Migratable: true, Suite: "x25519-sha256", RTTMS: 250, LastContactMS: ms(6 * time.Second), Unanswered: 2,
	}
)

// statuses are the statuses that are drawn, by name.
var statuses = map[string]node.Status{
	"empty": base(func(s *node.Status) { s.Services, s.Uplinks = nil, nil }),
	"mixed": base(func(s *node.Status) {
		s.Connections = []node.ConnStatus{download, plainTCP, held, silent}
		s.Holds, s.HoldBytes = 1, 84
	}),
	"plain": base(func(s *node.Status) { s.Connections = []node.ConnStatus{plainTCP} }),
	"ipv6": base(func(s *node.Status) {
		s.Router = []string{"ipv4", "ipv6"}
		s.Addresses, s.Host = s.Addresses[1:], s.Host[1:]
		s.Uplinks = []node.UplinkStatus{{Local: netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:fffe"), Via: "eth0 via fe80::ffff:ffff:ffff:ffff"}}
		s.Connections = []node.ConnStatus{held, silent}
	}),
}

func base(change func(*node.Status)) node.Status {
	s := node.Status{
		PID: 4711, Started: ago(2*time.Hour + 14*time.Minute), Device: "mnet0", Driver: "vnet_hdr", MTU: 1500,
		Host:      []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77:6d6e:6574::1/64")},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77:6d6e:6574::2/64")},
		Policy:    "handover", Masquerade: true,
		Uplinks: []node.UplinkStatus{
			{Local: netip.MustParseAddr("10.77.0.2"), Via: "wlan0 via 192.168.1.1"},
			{Local: netip.MustParseAddr("fd77:6d6e:6574::2"), Via: "wlan0 via fe80::1"},
		},
		Services: []node.Service{
			{Kind: node.KindForward, Listen: "127.0.0.1:8080", Target: "192.0.2.130:80"},
			{Kind: node.KindSOCKS, Listen: "127.0.0.1:1080"},
			{Kind: node.KindServe, Listen: "[::]:22", Target: "127.0.0.1:22", DNAT: true},
		},
	}
	change(&s)
	return s
}

func TestStatus(t *testing.T) {
	for name, s := range statuses {
		for _, w := range []int{0, 80, 160} {
			golden(t, fmt.Sprintf("%s-%d", name, w), Status(&s, Options{Width: w, Now: now}))
		}
	}
	s := statuses["mixed"]
	golden(t, "mixed-colour", Status(&s, Options{Width: 120, Colour: true, Now: now}))
}

// TestEveryWidth: no line is longer than the terminal is wide, and colour changes
// nothing but colour.
func TestEveryWidth(t *testing.T) {
	for name, s := range statuses {
		for w := 1; w <= 250; w++ {
			text := Status(&s, Options{Width: w, Now: now})
			for line := range strings.Lines(text) {
				// The name of a field is not cut: nobody's terminal is that narrow.
				if got := width(strings.TrimSuffix(line, "\n")); got > max(w, nameWidth+1) {
					t.Errorf("%s: %d columns for %d: %q", name, got, w, line)
				}
			}
			coloured := Status(&s, Options{Width: w, Colour: true, Now: now})
			if got := strip(t, coloured); trimLines(got) != trimLines(text) {
				t.Errorf("%s, %d columns: with colour:\n%s\nwithout:\n%s", name, w, got, text)
			}
		}
	}
}

// strip takes out the escape sequences, and expects each line to end with none in
// force.
func strip(t *testing.T, text string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.LastIndex(line, "\x1b[") != strings.LastIndex(line, "\x1b[0m") {
			t.Errorf("colour runs on after %q", line)
		}
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, text, _ = strings.Cut(after, "m")
	}
}

func trimLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// TestHostileText: names that others choose give no orders to the terminal.
func TestHostileText(t *testing.T) {
	const evil = "a\x1b[2Jb\rc\nd\u202ee"
	s := base(func(s *node.Status) {
		c := held
		c.Peer, c.Path, c.LastMove = evil, evil, &node.MoveStatus{Cause: evil, Error: evil}
		s.Connections = []node.ConnStatus{c}
		s.Uplinks[0].Via, s.Services[0].Target = evil, evil
	})
	e := node.Event{Kind: node.EventStuck, Peer: evil, Error: evil, Move: &node.MoveStatus{Cause: evil}}
	text := Status(&s, Options{Now: now}) + Event(e, Options{})
	if !strings.Contains(text, "a\ufffd[2Jb\ufffdc\ufffdd\ufffde") {
		t.Errorf("the name is not shown:\n%s", text)
	}
	if strings.ContainsAny(text, "\x1b\r\u202e") {
		t.Errorf("orders get through: %q", text)
	}
}

func TestEvents(t *testing.T) {
	at := ago(0)
	events := []node.Event{
		{Time: at, Kind: node.EventOpened, Conn: "3", Peer: "192.0.2.130:80"},
		{Time: at, Kind: node.EventMoved, Conn: "3", Peer: "192.0.2.130:80", Move: download.LastMove},
		{Time: at, Kind: node.EventStuck, Conn: "12", Peer: "[2001:db8:5::2]:22", Move: held.LastMove, Error: "no route to host"},
		{Time: at, Kind: node.EventUplinks, Uplinks: statuses["mixed"].Uplinks},
		{Time: at, Kind: node.EventUplinks, Woke: true},
		{Time: at, Kind: node.EventClosed, Conn: "3", Peer: "192.0.2.130:80"},
		{Time: at, Kind: node.EventClosed, Conn: "12", Peer: "[2001:db8:5::2]:22", Error: errors.ErrUnsupported.Error()},
		{Time: at, Kind: node.EventLost, Lost: 17},
		{Time: at, Kind: node.EventRenumbered, Host: statuses["mixed"].Host, Addresses: statuses["mixed"].Addresses},
	}
	var text strings.Builder
	for _, o := range []Options{{}, {Width: 80}, {Width: 80, Colour: true}} {
		for _, e := range events {
			text.WriteString(Event(e, o) + "\n")
		}
	}
	golden(t, "events", text.String())
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9_949: "9.9 kB", 9_960: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		5_000_000_000: "5.0 GB", 1<<63 - 1: "9.2 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0 s", 2100 * time.Millisecond: "2.1 s", 42 * time.Second: "42 s", 13 * time.Minute: "13 min",
		5 * time.Hour: "5 h", 72 * time.Hour: "3 days",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for f, want := range map[float64]string{0.04: "0.0 ms", 9.94: "9.9 ms", 9.96: "10 ms", 999.4: "999 ms", 1503: "1.50 s"} {
		if got := Milliseconds(f); got != want {
			t.Errorf("%v ms: %q, want %q", f, got, want)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
