// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package janitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// privateMode is the mode of a directory that nobody else puts anything into.
const privateMode = os.ModeDir | 0o700

// removeSocket removes a socket, if it is still there.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("janitor: %s: not removed: it is no socket", path)
	}
	return remove(path)
}

// removeDir removes a directory and the sockets in it, if it is still there.
func removeDir(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode() != privateMode {
		return fmt.Errorf("janitor: %s: not removed: its mode is %v, not %v", path, info.Mode(), privateMode)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeSocket(filepath.Join(path, e.Name())); err != nil {
			return err
		}
	}
	return remove(path)
}

// remove removes a file. It is no error if the file is gone already.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
