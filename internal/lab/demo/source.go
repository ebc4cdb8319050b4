// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"

	"github.com/mnet-dev/mnet/internal/measure/pattern"
)

// source is the file that the server serves.
type source struct {
	io.ReadSeeker
	io.Closer
	name string
	size int64
	sum  [sha256.Size]byte
}

// openSource opens the file and takes its hash, before virtual time begins.
func openSource(cfg Config) (*source, error) {
	var s *source
	if cfg.File == "" {
		s = &source{
			ReadSeeker: pattern.New(cfg.Seed, cfg.Size),
			Closer:     io.NopCloser(nil),
			name:       "generated.bin",
		}
	} else {
		f, err := os.Open(cfg.File)
		if err != nil {
			return nil, err
		}
		s = &source{ReadSeeker: f, Closer: f, name: filepath.Base(cfg.File)}
	}
	if err := s.hash(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *source) hash() error {
	h := sha256.New()
	var err error
	if s.size, err = io.Copy(h, s.ReadSeeker); err != nil {
		return err
	}
	h.Sum(s.sum[:0])
	_, err = s.Seek(0, io.SeekStart)
	return err
}
