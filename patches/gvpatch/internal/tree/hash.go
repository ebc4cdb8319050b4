// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A manifest gives the SHA-256 of each file, in hexadecimal.
type manifest map[string]string

func manifestOf(t Tree) manifest {
	m := make(manifest)
	for name, data := range t {
		m[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return m
}

// Hash returns the hash of a tree, in the notation of go.sum.
func Hash(t Tree) string { return manifestOf(t).hash("") }

// BlobID returns the name that git gives to the content of a file.
func BlobID(data []byte) string {
	return fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))
}

// String returns the manifest as sha256sum prints it.
func (m manifest) String() string { return m.text("") }

func (m manifest) text(prefix string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s  %s%s\n", m[name], prefix, name)
	}
	return b.String()
}

// hash is algorithm "h1" of go.sum (go help module-auth). The prefix stands before each
// name.
func (m manifest) hash(prefix string) string {
	sum := sha256.Sum256([]byte(m.text(prefix)))
	return "h1:" + base64.StdEncoding.EncodeToString(sum[:])
}

// parseManifest reads what String returns.
func parseManifest(text string) (manifest, error) {
	m := make(manifest)
	for line := range strings.Lines(text) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || len(sum) != sha256.Size*2 || !fs.ValidPath(name) {
			return nil, fmt.Errorf("not a line of a manifest: %q", line)
		}
		m[name] = sum
	}
	return m, nil
}

// scan makes the manifest of a directory. A link or device in it gets a hash
// that no file has.
func scan(dir string) (manifest, error) {
	m := make(manifest)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !d.Type().IsRegular() {
			m[name] = d.Type().String()
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		m[name] = fmt.Sprintf("%x", h.Sum(nil))
		return nil
	})
	return m, err
}

// hashDir returns the hash of all files in dir.
func hashDir(dir, prefix string) (string, error) {
	m, err := scan(dir)
	if err != nil {
		return "", err
	}
	return m.hash(prefix), nil
}
