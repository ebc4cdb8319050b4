// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Keep-alive parameters in place of zero values of net.KeepAliveConfig. They are the
// net package's.
const (
	DefaultKeepAliveIdle     = 15 * time.Second
	DefaultKeepAliveInterval = 15 * time.Second
	DefaultKeepAliveCount    = 9
)

// SetLinger sets how Close treats data that is not yet acknowledged. With a negative
// number, the default, the data is sent in the background. So it is with a positive
// one: Close does not wait. With 0, the data is discarded and the connection reset.
func (c *Conn) SetLinger(sec int) error {
	return c.setOption(func(ep tcpip.Endpoint) tcpip.Error {
		ep.SocketOptions().SetLinger(tcpip.LingerOption{
			Enabled: sec >= 0,
			Timeout: time.Duration(max(sec, 0)) * time.Second,
		})
		return nil
	})
}

// SetNoDelay turns Nagle's algorithm (RFC 9293, section 3.7.4) off, or on. It is
// off by default.
func (c *Conn) SetNoDelay(noDelay bool) error {
	return c.setOption(func(ep tcpip.Endpoint) tcpip.Error {
		ep.SocketOptions().SetDelayOption(!noDelay)
		return nil
	})
}

// SetReadBuffer fixes the size of the receive buffer, in bytes, within the limits
// of the stack. It grows no more by itself.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.setBuffer(func(so *tcpip.SocketOptions) {
		lo, hi := so.ReceiveBufferLimits()
		so.SetReceiveBufferSize(min(max(int64(bytes), lo), hi), true)
	})
}

// SetWriteBuffer fixes the size of the send buffer, in bytes, within the limits of
// the stack. It grows no more by itself.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.setBuffer(func(so *tcpip.SocketOptions) {
		lo, hi := so.SendBufferLimits()
		so.SetSendBufferSize(min(max(int64(bytes), lo), hi), true)
	})
}

func (c *Conn) setBuffer(set func(*tcpip.SocketOptions)) error {
	if c.isClosed() {
		return c.setError(errClosed)
	}
	set(c.ep.SocketOptions())
	return nil
}

// SetKeepAlive turns keep-alive probes (RFC 9293, section 3.8.4) on or off.
func (c *Conn) SetKeepAlive(keepalive bool) error {
	return c.setOption(func(ep tcpip.Endpoint) tcpip.Error {
		ep.SocketOptions().SetKeepAlive(keepalive)
		return nil
	})
}

// SetKeepAlivePeriod sets how long the connection is idle before the first
// keep-alive probe.
func (c *Conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.setOption(func(ep tcpip.Endpoint) tcpip.Error {
		idle := tcpip.KeepaliveIdleOption(d)
		return ep.SetSockOpt(&idle)
	})
}

// SetKeepAliveConfig sets all of the keep-alive parameters. As in the net package,
// a zero means the default, a negative value leaves a parameter as it is.
func (c *Conn) SetKeepAliveConfig(cfg net.KeepAliveConfig) error {
	return c.setOption(func(ep tcpip.Endpoint) tcpip.Error { return setKeepAlive(ep, cfg) })
}

// startKeepAlive applies cfg to a new connection, if it is enabled.
func startKeepAlive(ep tcpip.Endpoint, cfg net.KeepAliveConfig) tcpip.Error {
	if !cfg.Enable {
		return nil
	}
	return setKeepAlive(ep, cfg)
}

func setKeepAlive(ep tcpip.Endpoint, cfg net.KeepAliveConfig) tcpip.Error {
	if cfg.Idle == 0 {
		cfg.Idle = DefaultKeepAliveIdle
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultKeepAliveInterval
	}
	if cfg.Count == 0 {
		cfg.Count = DefaultKeepAliveCount
	}
	if cfg.Idle > 0 {
		idle := tcpip.KeepaliveIdleOption(cfg.Idle)
		if terr := ep.SetSockOpt(&idle); terr != nil {
			return terr
		}
	}
	if cfg.Interval > 0 {
		interval := tcpip.KeepaliveIntervalOption(cfg.Interval)
		if terr := ep.SetSockOpt(&interval); terr != nil {
			return terr
		}
	}
	if cfg.Count > 0 {
		if terr := ep.SetSockOptInt(tcpip.KeepaliveCountOption, cfg.Count); terr != nil {
			return terr
		}
	}
	ep.SocketOptions().SetKeepAlive(cfg.Enable)
	return nil
}

func (c *Conn) setOption(set func(tcpip.Endpoint) tcpip.Error) error {
	if c.isClosed() {
		return c.opError("set", errClosed)
	}
	if terr := set(c.ep); terr != nil {
		return c.opError("set", syscallError("setsockopt", terr))
	}
	return nil
}
