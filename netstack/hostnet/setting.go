// Copyright 2026 The mnet Authors.
// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Setting is a change of a file below /proc/sys/net. It is made of strings, so that
// it can be written down for another process to undo.
type Setting struct {
	Path string // of the file
	Was  string // before
	Set  string // by us
}

const procNet = "/proc/sys/net"

// settable are the files that Restore writes to: it stops a list that somebody has
// tampered with from changing anything else.
var settable = []string{"forwarding", "force_forwarding", "accept_ra"}

// Restore writes back the former value. It does nothing if somebody else has changed the
// value since, or has made a router of the host, or if the interface is gone. It works in the network namespace of the thread.
func (s Setting) Restore() error {
	family, device, name, ok := s.split()
	if !ok {
		return fmt.Errorf("hostnet: restore %s: %w: not a setting of this package", s.Path, ErrConfig)
	}
	root, err := os.OpenRoot(path.Join(procNet, family, "conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hostnet: restore %s: %w", s.Path, err)
	}
	defer root.Close()
	return s.restoreIn(root, path.Join(device, name))
}

// split takes apart /proc/sys/net/ipv4/conf/DEVICE/NAME.
func (s Setting) split() (family, device, name string, ok bool) {
	rest, ok := strings.CutPrefix(s.Path, procNet+"/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 4 || parts[1] != "conf" {
		return "", "", "", false
	}
	family, device, name = parts[0], parts[2], parts[3]
	return family, device, name, (family == "ipv4" || family == "ipv6") && slices.Contains(settable, name)
}

func (s Setting) restoreIn(root *os.Root, file string) error {
	now, err := readSetting(root, file)
	if err == nil && now == s.Set && !s.routed(root) {
		err = writeSetting(root, file, s.Was)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hostnet: restore %s=%s: %w", s.Path, s.Was, explainWrite(err))
	}
	return nil
}

// routed reports whether the setting belongs to a host that somebody else has made a
// router of, by the switch of all interfaces.
func (s Setting) routed(root *os.Root) bool {
	family, device, name, _ := s.split()
	var file string
	switch {
	case family == "ipv4":
		file = "all/forwarding" // this package never sets it
	case device == "all":
		file = "default/forwarding" // see enableAll6
	case name == "accept_ra":
		file = "all/forwarding" // which has been restored, or is somebody else's
	default:
		return false // the switch of all interfaces is enough
	}
	value, err := readSetting(root, file)
	return err == nil && value != "0"
}

func readSetting(root *os.Root, file string) (string, error) {
	f, err := root.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return strings.TrimSpace(string(b)), err
}

func writeSetting(root *os.Root, file, value string) error {
	f, err := root.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// explainWrite adds the remedy to the error of a file that cannot be written.
func explainWrite(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnly) {
		return fmt.Errorf("%w (%w): run with CAP_NET_ADMIN, and with a writable /proc/sys (in a container, set it from outside)", ErrPermission, err)
	}
	return err
}
