// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// logWriter writes a log, and goes on when that fails, such as on a full disk. A node must
// not end for want of a log. It reports the failure on stderr. It counts lost lines, and
// reports them once writing works again.
type logWriter struct {
	out    io.Writer
	name   string    // of out
	stderr io.Writer // nil if out is it

	mu   sync.Mutex
	lost int
}

// newLogWriter opens a file, to be appended to, or takes stderr if path is empty.
func newLogWriter(path string, stderr io.Writer) (w io.Writer, closeLog func(), err error) {
	if path == "" {
		return &logWriter{out: stderr, name: "stderr"}, func() {}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("log: %w: choose another file (--log)", err)
	}
	return &logWriter{out: f, name: path, stderr: stderr}, func() { f.Close() }, nil
}

// Write never fails.
func (l *logWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost > 0 {
		if _, err := fmt.Fprintf(l.out, "level=WARN msg=\"%d log lines were lost\"\n", l.lost); err == nil {
			l.lost = 0
		}
	}
	if _, err := l.out.Write(line); err != nil {
		if l.lost == 0 && l.stderr != nil {
			fmt.Fprintf(l.stderr, "mnet: the log cannot be written, mnet goes on without: %s: %v\n", l.name, err)
		}
		l.lost++
	}
	return len(line), nil
}
