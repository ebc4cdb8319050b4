// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"math/rand/v2"
)

// content is an endless stream of bytes that both ends know. Each stream has a
// name.
type content struct {
	random *rand.ChaCha8
	sum    hash.Hash
	n      int64
}

func newContent(name string) *content {
	return &content{random: rand.NewChaCha8(sha256.Sum256([]byte(name))), sum: sha256.New()}
}

// next fills p with what comes next.
func (c *content) next(p []byte) {
	_, _ = c.random.Read(p) // never fails
}

// count takes bytes for sent or received.
func (c *content) count(p []byte) {
	c.sum.Write(p) // never fails
	c.n += int64(len(p))
}

func (c *content) hash() string { return hex.EncodeToString(c.sum.Sum(nil)) }

// verifier compares what arrives with a content.
type verifier struct {
	content *content
	want    []byte
	wrong   bool
}

func newVerifier(name string) *verifier { return &verifier{content: newContent(name)} }

func (v *verifier) check(p []byte) {
	if cap(v.want) < len(p) {
		v.want = make([]byte, len(p))
	}
	want := v.want[:len(p)]
	v.content.next(want)
	v.wrong = v.wrong || !bytes.Equal(p, want)
	v.content.count(p)
}
