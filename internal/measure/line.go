// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Version is the version of the protocol.
const Version = 1

const (
	// MaxDuration stops a peer from keeping this end busy forever.
	MaxDuration = time.Hour

	// maxLine bounds hello and welcome, and maxOutcome the report of an upload, in
	// bytes: a peer must not fill the memory.
	maxLine    = 4 << 10
	maxOutcome = 1 << 20
)

// Mode is the kind of a measurement.
type Mode string

// Modes.
const (
	Upload      Mode = "upload"      // the end that dialled sends
	Download    Mode = "download"    // the end that dialled receives
	Interactive Mode = "interactive" // small messages, there and back
)

type hello struct {
	Version int     `json:"mnet_bench"`
	Mode    Mode    `json:"mode"`
	Seconds float64 `json:"seconds"`
}

// check returns how long the measurement shall take.
func (h hello) check() (time.Duration, error) {
	switch {
	case h.Version != Version:
		return 0, fmt.Errorf("version %d of the measurement, this end has %d: use the same version of mnet", h.Version, Version)
	case h.Mode != Upload && h.Mode != Download && h.Mode != Interactive:
		return 0, fmt.Errorf("mode %q: want %s, %s or %s", h.Mode, Upload, Download, Interactive)
	case math.IsNaN(h.Seconds) || h.Seconds <= 0 || h.Seconds > MaxDuration.Seconds():
		return 0, fmt.Errorf("%g seconds: want more than 0, and at most %g", h.Seconds, MaxDuration.Seconds())
	}
	return time.Duration(h.Seconds * float64(time.Second)), nil
}

type welcome struct {
	Version int    `json:"mnet_bench"`
	Error   string `json:"error,omitempty"`
}

// outcome is the receiver's report about an upload.
type outcome struct {
	Bytes int64  `json:"bytes"`
	Gaps  []Gap  `json:"gaps"`
	Error string `json:"error,omitempty"`
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

var errLine = errors.New("no measurement is spoken here: does mnet bench --server run there, and listen on that port?")

// readLine reads a line of at most limit bytes into v. It may have no other fields: an
// echo of the hello is no welcome.
func readLine(r *bufio.Reader, limit int, v any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > limit {
			return fmt.Errorf("%w (a line of more than %d bytes)", errLine, limit)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(v); err != nil {
			return fmt.Errorf("%w (%w)", errLine, err)
		}
		return nil
	}
}
