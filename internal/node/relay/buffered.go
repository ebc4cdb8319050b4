// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package relay

import "io"

// Buffered is a connection of which something has been read ahead, into r.
func Buffered(c Conn, r io.Reader) Conn { return &buffered{c, r} }

type buffered struct {
	Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// SetLinger lets the connection be reset, if it is of a kind that can.
func (b *buffered) SetLinger(sec int) error {
	if l, ok := b.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return nil
}
