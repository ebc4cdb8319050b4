// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package netstack

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Congestion control algorithms for [Config.CongestionControl].
const (
	CUBIC = "cubic" // RFC 9438
	Reno  = "reno"  // RFC 5681
)

// Socket buffer sizes in bytes. The maxima bound the memory of one connection, in each
// direction. The minima keep a buffer large enough for a segment with its bookkeeping.
const (
	MinBuffer     = 4 << 10
	DefaultBuffer = 1 << 20
	// MaxSendBuffer and MaxReceiveBuffer are the auto-tuning limits. gVisor advertises
	// half of the receive buffer as window. So these feed 24 Mbit per round trip in
	// each direction: 240 Mbit/s at an RTT of 100 ms.
	MaxSendBuffer    = 4 << 20
	MaxReceiveBuffer = 6 << 20
)

// Bounds of the retransmission timeout, as in Linux. The lower one is less than the
// second that RFC 6298, section 2.4 asks for.
const (
	DefaultMinRTO = 200 * time.Millisecond
	DefaultMaxRTO = 120 * time.Second
)

// DefaultTimeWait and DefaultFinWait2 are how long a closed connection may keep its
// port. DefaultTimeWait is for TIME-WAIT (RFC 9293, section 3.6.1), as in Linux, not 2
// MSL of 4 minutes. DefaultFinWait2 is for FIN-WAIT-2, where the connection waits for a
// peer that never closes.
const (
	DefaultTimeWait = 60 * time.Second
	DefaultFinWait2 = 60 * time.Second
)

// Config configures a [Stack]. The zero value is a good configuration.
type Config struct {
	// Clock drives every timer of the stack and the deadlines of its connections.
	// Nil means the system clock.
	Clock tcpip.Clock

	// RandSource feeds decisions that need not be secret (queue selection, jitter). It
	// must be safe for concurrent use. Nil means a source seeded from SecureRNG.
	RandSource rand.Source

	// SecureRNG feeds initial sequence numbers, port selection, timestamp offsets
	// and SYN cookies. It must be safe for concurrent use, fill every read and
	// never fail. Nil means crypto/rand. Anything predictable here lets an
	// off-path attacker forge segments (RFC 6528): for tests only.
	SecureRNG io.Reader

	// Logger gets changes of links, addresses and routes (debug), and failures (warn).
	// Nil means no logging.
	Logger *slog.Logger

	// Migration configures migration for all connections of the stack; dialers and
	// listeners have further settings. The zero value is a good one.
	Migration MigrationConfig

	// CongestionControl is CUBIC or Reno. Empty means CUBIC.
	CongestionControl string

	// SendBuffer and ReceiveBuffer are the sizes of the buffers of a connection,
	// in bytes. They start at Default and grow up to Max, unless the connection
	// sets a size. Zero fields mean MinBuffer, DefaultBuffer, and MaxSendBuffer or
	// MaxReceiveBuffer.
	SendBuffer    BufferSizes
	ReceiveBuffer BufferSizes

	// DisableSACK turns selective acknowledgements off (RFC 2018), and RACK with
	// them. False means on.
	DisableSACK bool

	// DisableRACK turns RACK-TLP off (RFC 8985). Loss is then detected by duplicate
	// acknowledgements. False means on.
	DisableRACK bool

	// MinRTO and MaxRTO bound the retransmission timeout. Zero means
	// DefaultMinRTO, or MaxRTO if that is less, and DefaultMaxRTO.
	MinRTO time.Duration
	MaxRTO time.Duration

	// TimeWait is the time in TIME-WAIT. Zero means DefaultTimeWait, negative
	// means none, which is safe only where ports are never reused.
	TimeWait time.Duration

	// FinWait2 is the time a closed connection waits for the peer's FIN. Zero
	// means DefaultFinWait2, negative means none.
	FinWait2 time.Duration

	// Forwarding makes the stack a router between its NICs. False means that a packet
	// is dropped unless it is for an address of the NIC that it came in by. gVisor may
	// get the TTL of an IPv4 packet wrong when it forwards several at once. It reads
	// the TTL from a buffer that it has already released.
	Forwarding bool
}

// BufferSizes is a range of buffer sizes in bytes.
type BufferSizes struct {
	Min, Default, Max int
}

func (b BufferSizes) withDefaults(limit int) BufferSizes {
	if b.Min == 0 {
		b.Min = MinBuffer
	}
	if b.Max == 0 {
		b.Max = max(limit, b.Min, b.Default)
	}
	if b.Default == 0 {
		b.Default = min(max(DefaultBuffer, b.Min), b.Max)
	}
	return b
}

func (b BufferSizes) validate(name string) error {
	if b.Min <= 0 || b.Default < b.Min || b.Max < b.Default {
		return fmt.Errorf("netstack: %s: %w: want 0 < Min <= Default <= Max, have %d, %d, %d", name, ErrConfig, b.Min, b.Default, b.Max)
	}
	return nil
}

// withDefaults returns c with defaults in place of zero values, or an error for a wrong
// value.
func (c Config) withDefaults() (Config, error) {
	if c.Clock == nil {
		c.Clock = tcpip.NewStdClock()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch c.CongestionControl {
	case "":
		c.CongestionControl = CUBIC
	case CUBIC, Reno:
	default:
		return c, fmt.Errorf("netstack: congestion control %q: %w: want %q or %q", c.CongestionControl, ErrConfig, CUBIC, Reno)
	}
	c.SendBuffer = c.SendBuffer.withDefaults(MaxSendBuffer)
	c.ReceiveBuffer = c.ReceiveBuffer.withDefaults(MaxReceiveBuffer)
	if err := c.SendBuffer.validate("SendBuffer"); err != nil {
		return c, err
	}
	if err := c.ReceiveBuffer.validate("ReceiveBuffer"); err != nil {
		return c, err
	}
	if c.MaxRTO == 0 {
		c.MaxRTO = max(DefaultMaxRTO, c.MinRTO)
	}
	if c.MinRTO == 0 {
		c.MinRTO = min(DefaultMinRTO, c.MaxRTO)
	}
	if c.MinRTO < 0 || c.MaxRTO < c.MinRTO {
		return c, fmt.Errorf("netstack: MinRTO %v, MaxRTO %v: %w: want 0 < MinRTO <= MaxRTO", c.MinRTO, c.MaxRTO, ErrConfig)
	}
	if c.TimeWait == 0 {
		c.TimeWait = DefaultTimeWait
	}
	if c.FinWait2 == 0 {
		c.FinWait2 = DefaultFinWait2
	}
	return c, nil
}
