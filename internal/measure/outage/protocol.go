// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package outage

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/mnet-dev/mnet/internal/measure/arrivals"
)

// The protocol between client and server. The client begins with a header: the
// operation, the number of its stream, and the offset at which to begin. The server
// answers an upload with the offset that it has reached. Then the stream follows.
const headerLen = 1 + 8 + 8

type header struct {
	op     byte
	stream uint64
	offset int64
}

// Operations.
const (
	opDownload byte = 'D'
	opUpload   byte = 'U'
	opEcho     byte = 'E'
)

func (h header) write(w io.Writer) error {
	b := []byte{h.op}
	b = binary.BigEndian.AppendUint64(b, h.stream)
	b = binary.BigEndian.AppendUint64(b, uint64(h.offset))
	_, err := w.Write(b)
	return err
}

func readHeader(r io.Reader) (header, error) {
	var b [headerLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return header{}, err
	}
	h := header{b[0], binary.BigEndian.Uint64(b[1:]), int64(binary.BigEndian.Uint64(b[9:]))}
	if h.offset < 0 {
		return header{}, fmt.Errorf("offset %d", h.offset)
	}
	return h, nil
}

const (
	// chunk is how much an application reads or writes at a time, in bytes.
	chunk = 32 << 10

	// pingLen and pingEvery make the interactive stream, in bytes and time.
	pingLen   = 64
	pingEvery = 20 * time.Millisecond
)

// send writes a stream from an offset on until that fails.
func send(w io.Writer, offset int64) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{streamAt(offset)}, make([]byte, chunk))
	return err
}

// receive reads a stream until that fails, and notes each arrival.
func receive(r io.Reader, to *arrivals.Recorder) error {
	buf := make([]byte, chunk)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			at := time.Now()
			if err := check(to.Total(), buf[:n]); err != nil {
				return err
			}
			to.Add(at, n)
		}
		if err != nil {
			return err
		}
	}
}
