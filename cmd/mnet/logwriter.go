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
	name   string    // of out
	stderr io.Writer // nil if out is it

	mu   sync.Mutex
	out  io.Writer
	lost int
}

// newLogWriter opens a file, to be appended to, or takes stderr if path is empty.
func newLogWriter(path string, stderr io.Writer) (*logWriter, error) {
	if path == "" {
		return &logWriter{out: stderr, name: "stderr"}, nil
	}
	f, err := openLogFile(path)
	if err != nil {
		return nil, fmt.Errorf("log: %w: choose another file (--log)", err)
	}
	return &logWriter{out: f, name: path, stderr: stderr}, nil
}

func openLogFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

// Reopen opens the file of that name again, as somebody may have renamed the present one.
// If that fails, the log goes on in the present one. A log on stderr stays there.
func (l *logWriter) Reopen() error {
	if l.stderr == nil {
		return nil
	}
	f, err := openLogFile(l.name)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.out.(io.Closer)
	l.out = f
	return before.Close()
}

// Close closes the file. A log on stderr stays open.
func (l *logWriter) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stderr == nil {
		return nil
	}
	return l.out.(io.Closer).Close()
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
