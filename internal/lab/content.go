// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"math"

	"github.com/mnet-dev/mnet/internal/measure/pattern"
)

// Seeds of the contents of the connections.
const (
	bulkSeed = 1
	echoSeed = 2
)

// contentOf is a pattern without end.
func contentOf(seed uint64) *pattern.Reader { return pattern.New(seed, math.MaxInt64) }

// digest is a digest of the bytes that were sent or have arrived.
type digest struct {
	sum   hash.Hash
	bytes int64
}

func newDigest() *digest { return &digest{sum: sha256.New()} }

func (d *digest) add(p []byte) {
	d.sum.Write(p) // never fails
	d.bytes += int64(len(p))
}

func (d *digest) hex() string { return hex.EncodeToString(d.sum.Sum(nil)) }
