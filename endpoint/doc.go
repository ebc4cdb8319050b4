// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package endpoint is the net package's TCP interface over a [netstack.Stack]: a
// [Dialer], a [ListenConfig] and a [Conn] that behaves as *net.TCPConn does.
//
// A Conn fits wherever a net.Conn does: http.Transport.DialContext, http.Serve,
// tls.Client. All methods may be called concurrently. Errors are *net.OpError. They
// wrap the net package's errors, for errors.Is: os.ErrDeadlineExceeded, net.ErrClosed,
// syscall.ECONNREFUSED and so on. A Conn differs on purpose in these points:
//
//   - A Conn is no file descriptor, so there is no SyscallConn and no File.
//   - Deadlines and timeouts run on the clock of the stack. The deadline of a context
//     runs on the system clock, as ever.
//   - Read returns io.EOF only after the peer's FIN or the own CloseRead. Once a
//     connection is reset or has timed out, every Read says so. A socket says it once,
//     and io.EOF from then on.
//   - The addresses of a Conn may change while it lives.
//   - SetLinger with a positive number does not make Close wait.
//   - Keep-alive probes are off unless configured.
//
// A Conn has no goroutine of its own. Reading and writing allocate nothing.
package endpoint
