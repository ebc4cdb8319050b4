// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Sysctl sets a kernel parameter of the namespace, such as "net.ipv4.ip_forward".
func (ns *Namespace) Sysctl(key, value string) error {
	return ns.Do(func() error { return ns.wrap(writeSysctl(key, value)) })
}

// ReadSysctl returns a kernel parameter of the namespace.
func (ns *Namespace) ReadSysctl(key string) (string, error) {
	var value []byte
	err := ns.Do(func() (err error) {
		value, err = os.ReadFile(sysctlPath(key))
		return ns.wrap(err)
	})
	return strings.TrimSpace(string(value)), err
}

// writeSysctl sets a parameter of the namespace of the thread.
func writeSysctl(key, value string) error {
	err := os.WriteFile(sysctlPath(key), []byte(value), 0)
	switch {
	case errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: mount it writable; a container has to be privileged", err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: no such parameter, or the kernel lacks what has it", err)
	default:
		return err
	}
}

// sysctlPath takes a slash for a dot within a name, as sysctl(8) does.
func sysctlPath(key string) string {
	swap := strings.NewReplacer(".", "/", "/", ".")
	return filepath.Join("/proc/sys", swap.Replace(key))
}
