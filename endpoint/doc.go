// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

// Package endpoint is the net package's TCP interface over a [netstack.Stack]:
// a [Dialer], a [ListenConfig] and a [Conn] that behaves as *net.TCPConn does.
//
// A Conn fits wherever a net.Conn does: http.Transport.DialContext, http.Serve,
// tls.Client. All methods may be called concurrently. Errors are *net.OpError
// around what errors.Is knows from the net package: os.ErrDeadlineExceeded,
// net.ErrClosed, syscall.ECONNREFUSED and so on. Where it deliberately differs:
//
//   - A Conn is no file descriptor, so there is no SyscallConn and no File.
//   - Deadlines and timeouts run on the clock of the stack. The deadline of a
//     context runs, as ever, on the system clock.
//   - Read never says io.EOF for anything but the peer's FIN (or the own
//     CloseRead). Once a connection is reset or has timed out, every Read says so,
//     where a socket says it once and io.EOF from then on.
//   - The addresses of a Conn may change while it lives.
//   - SetLinger with a positive number does not make Close wait.
//   - Keep-alive probes are off unless configured.
//
// A Conn has no goroutine of its own. Reading and writing allocate nothing.
package endpoint
